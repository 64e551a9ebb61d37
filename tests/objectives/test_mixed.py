import math

import pytest
import torch

from haiga.errors import RecipeError, TrainingError
from haiga.objectives import OBJECTIVES, Objective, needs
from haiga.objectives.bind import bind_objective
from haiga.objectives.mixed import counted, mixed
from haiga.objectives.preference import bco, dpo
from haiga.objectives.reference_free import nll

# Rewards at beta 0.1: chosen 0.2, rejected -0.2; the chosen answer has 4 tokens.
COLUMNS = {
    "chosen_logps": torch.tensor([-3.0]),
    "rejected_logps": torch.tensor([-9.0]),
    "ref_chosen_logps": torch.tensor([-5.0]),
    "ref_rejected_logps": torch.tensor([-7.0]),
    "chosen_lengths": torch.tensor([4]),
}
MPO = {
    "name": "mixed",
    "parts": [
        {"name": "dpo", "weight": 0.8, "beta": 0.1},
        {"name": "bco", "weight": 0.2},
        {"name": "nll", "weight": 1},
    ],
}


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


def parts(**weights):
    return {name: (weight, OBJECTIVES[name]) for name, weight in weights.items()}


def fault(component):
    with pytest.raises(RecipeError) as error:
        bind_objective(component, "stage.mpo.objective")
    return str(error.value)


def test_mixed_by_hand():
    """Mixed preference optimisation (Wang et al. 2024): preference, quality and generation."""
    objective = mixed(parts(dpo=0.8, bco=0.2, nll=1.0))
    loss = objective.function(**COLUMNS)
    quality = softplus(-0.2) + softplus(-0.2)
    assert float(loss.total) == pytest.approx(0.8 * softplus(-0.4) + 0.2 * quality + 3 / 4)
    assert loss.count == 1
    means = {name: float(total) / n for name, (total, n) in loss.metrics.items()}
    assert means["dpo_loss"] == pytest.approx(softplus(-0.4))
    assert means["bco_loss"] == pytest.approx(quality)
    assert means["nll"] == means["nll_loss"] == pytest.approx(0.75)
    assert means["chosen_logps"] == -3


def test_it_needs_what_its_parts_need():
    assert needs(mixed(parts(dpo=1, nll=1)).function) == list(COLUMNS)


def test_gradients_add_up():
    columns = {name: column.clone() for name, column in COLUMNS.items()}
    learnt = columns["chosen_logps"].requires_grad_()
    mixed(parts(dpo=0.8, nll=0.5)).function(**columns).total.backward()
    # -0.8 beta sigmoid(-0.4) - 0.5 / 4
    assert float(learnt.grad) == pytest.approx(-0.08 / (1 + math.exp(0.4)) - 0.125)


def test_micro_batches_add_up_to_the_mean_of_the_step():
    generator = torch.Generator().manual_seed(0)
    columns = {name: -torch.rand(5, generator=generator) * 9 for name in list(COLUMNS)[:4]}
    columns["chosen_lengths"] = torch.arange(1, 6)
    objective = mixed(parts(dpo=0.8, bco=0.2, nll=1.0))
    losses = [
        objective.function(**{name: column[rows] for name, column in columns.items()})
        for rows in (slice(2), slice(2, 5))
    ]
    step = sum(float(loss.total) for loss in losses) / sum(loss.count for loss in losses)
    pairs = list(columns.values())
    means = [dpo(*pairs[:4]), bco(*pairs[:4]), nll(pairs[0], pairs[4])]
    weights = (0.8, 0.2, 1.0)
    expected = sum(
        w * float(each.total) / each.count for w, each in zip(weights, means, strict=True)
    )
    assert step == pytest.approx(expected)


def test_it_starts_where_its_parts_start():
    assert mixed(parts(dpo=0.5, bco=0.25)).start == pytest.approx(math.log(2))
    assert mixed(parts(dpo=0.5, nll=1.0)).start is None


def test_one_part_over_whole_batches_makes_the_mixture_one():
    assert mixed(parts(dpo=1, bco=1)).additive
    assert not mixed(parts(dpo=1, kto=1)).additive


def test_tokens_do_not_mix_with_pairs():
    """`cross_entropy` beside pairs would teach the rejected answers."""
    objective = mixed(parts(dpo=1, cross_entropy=1))
    with pytest.raises(TrainingError, match=r"dpo 1, cross_entropy 8.*'nll'"):
        objective.function(**COLUMNS, token_logps=torch.zeros(8))


@pytest.mark.parametrize(
    ("names", "counts"),
    [
        ({"dpo": {}, "cross_entropy": {}}, "dpo 2, cross_entropy 7"),
        ({"reinforce": {}, "kl": {}}, "reinforce 3, kl 7"),
        ({"grpo": {}, "value": {}}, "grpo 3, value 7"),
    ],
)
def test_what_counts_different_things_is_refused_before_anything_is_spent(names, counts):
    mixture = [{"name": name, "weight": 1.0} | given for name, given in names.items()]
    line = fault({"name": "mixed", "parts": mixture})
    assert line.startswith("stage.mpo.objective.parts: ")
    assert f"({counts})" in line
    bind_objective(
        {"name": "mixed", "parts": [
            {"name": "reinforce", "weight": 1.0}, {"name": "kl", "weight": 0.1, "average": 1},
        ]}, "",
    )  # fmt: skip


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_of_the_table_can_be_counted(name):
    assert counted(OBJECTIVES[name]) in (1, 2, 3, 5, 7)


def test_a_recipe_names_a_mixture():
    objective = bind_objective(MPO, "stage.mpo.objective")
    assert needs(objective.function) == list(COLUMNS)
    by_hand = mixed(parts(dpo=0.8, bco=0.2, nll=1.0))
    torch.testing.assert_close(
        objective.function(**COLUMNS).total, by_hand.function(**COLUMNS).total
    )


def test_a_recipe_names_one_objective():
    objective = bind_objective({"name": "ipo", "beta": 0.5}, "stage.ipo.objective")
    assert isinstance(objective, Objective)
    assert objective.start == 1.0
    grpo = bind_objective({"name": "grpo", "average": 64, "clip_high": 0.28}, "stage.rl.objective")
    assert grpo.function.keywords == {"average": 64, "clip_high": 0.28}


def test_faults_of_all_parts_are_named_with_their_places():
    lines = fault(
        {
            "name": "mixed",
            "parts": [
                {"name": "dpo", "weight": 0.8, "betta": 0.1},
                {"name": "bco"},
                {"name": "mixed", "weight": 1},
                {"name": "ddpo", "weight": True},
            ],
        }
    ).splitlines()
    place = "stage.mpo.objective.parts"
    assert [line.split(":")[0] for line in lines] == [
        f"{place}.0.betta",
        f"{place}.1.weight",
        f"{place}.2.name",
        f"{place}.3.weight",
    ]
    assert "did you mean 'beta'?" in lines[0]
    twice = [{"name": "dpo", "weight": 1}, {"name": "dpo", "weight": 2}]
    assert "parts.1.name: 'dpo' cannot be a part" in fault({"name": "mixed", "parts": twice})
    assert "two parts or more" in fault({"name": "mixed", "parts": twice[:1]})
    assert "parts: mixed needs this option" in fault({"name": "mixed"})
    assert "did you mean 'mixed'?" in fault({"name": "mixt"})


@pytest.mark.parametrize(
    ("component", "line"),
    [
        ({"name": "dpo", "beta": 0}, "beta: must be greater than 0, not 0"),
        ({"name": "dpo", "label_smoothing": 0.5}, "label_smoothing: must be less than 0.5"),
        ({"name": "kto", "undesirable_weight": -1.0}, "greater than or equal to 0"),
        ({"name": "kto", "reference_point": "mean"}, "must be 'mismatched', 'batch' or 'zero'"),
        ({"name": "ppo", "average": 0}, "average"),
        ({"name": "ppo", "average": "answer"}, "average"),
        ({"name": "kl", "estimator": "k1"}, "must be 'k2' or 'k3'"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_spent(component, line):
    assert line in fault(component)
