"""Pairs, labels, references and rewards of a batch of groups, up to gradients of a whole step."""

import inspect
import math
from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from transformers import AutoModelForCausalLM

from haiga.batches.groups import GroupBatch, collate, pairs
from haiga.batches.render import Branch, Rendered
from haiga.errors import DataError, ModelError, TrainingError
from haiga.models import branches
from haiga.objectives import OBJECTIVES
from haiga.objectives.bind import bind_objective
from haiga.training.forward import COLUMNS, Forward, columns_for
from haiga.training.gradients import accumulate
from haiga.training.loop import fit
from haiga.training.settings import Hooks, Settings
from tiny import TEXT_WIDTH, tiny_language_model

CARRIED = ["ref_answer_logps", "ref_token_logps", "old_token_logps", "advantages", "returns"]
CARRIED += ["old_token_values"]
THREE = ("chosen", "rejected", "mismatched")


def group(name: str, *kinds: str, seed: int = 0) -> Rendered:
    """A prompt of three tokens, and answers of two tokens and more."""
    generator = torch.Generator().manual_seed(seed)
    lengths = [2 + at % 3 for at in range(len(kinds))]
    ids = [torch.randint(3, 250, (n,), generator=generator).tolist() for n in (3, *lengths)]
    answers = tuple(Branch(tuple(each), (True,) * len(each)) for each in ids[1:])
    return Rendered(name, tuple(ids[0]), answers, kinds, ())


def batch(*kinds: tuple[str, ...]) -> GroupBatch:
    return collate([group(f"row-{at}", *each, seed=at) for at, each in enumerate(kinds)], 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_language_model(tmp_path_factory.mktemp("lm"))


@pytest.fixture
def model(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)


def with_references(made, model):
    forward = Forward(model, columns_for(lambda answer_logps: None), torch.float32)
    with torch.no_grad():
        return replace(made, ref_answer_logps=forward(made)["answer_logps"])


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("chosen", "rejected"), [(0, 1)]),
        (("rejected", "chosen", "chosen", "rejected"), [(1, 0), (2, 3)]),
        (("chosen", "rejected", "rejected"), [(0, 1), (0, 2)]),
        (("chosen", "chosen", "rejected"), [(0, 2), (1, 2)]),
        (("mismatched", "chosen", "sample", "rejected"), [(1, 3)]),
    ],
)
def test_pairs_by_hand(kinds, expected):
    assert pairs(batch(kinds)).T.tolist() == [list(pair) for pair in expected]


def test_pairs_stay_inside_their_groups():
    found = pairs(batch(("chosen", "rejected"), ("rejected", "chosen"), ("chosen", "rejected")))
    assert found.tolist() == [[0, 3, 4], [1, 2, 5]]


@pytest.mark.parametrize(
    "kinds", [("chosen",), ("rejected", "sample"), ("chosen",) * 2 + ("rejected",) * 3]
)
def test_what_makes_no_pairs_is_named(kinds):
    with pytest.raises(DataError, match=r"Row row-1: .* make no pairs"):
        pairs(batch(("chosen", "rejected"), kinds))


def test_sides_of_pairs_are_taken_from_their_answers(model):
    made = with_references(batch(("chosen", "rejected", "rejected")), model)
    wanted = lambda chosen_logps, rejected_logps, chosen_lengths, rejected_lengths: None  # noqa: E731
    found = columns_for(wanted)(model, made)
    logps = columns_for(lambda answer_logps: None)(model, made)["answer_logps"]
    assert torch.equal(found["chosen_logps"], logps[[0, 0]])
    assert torch.equal(found["rejected_logps"], logps[[1, 2]])
    assert found["chosen_lengths"].tolist() == [2, 2]
    assert found["rejected_lengths"].tolist() == [3, 4]
    refs = columns_for(lambda ref_chosen_logps, ref_rejected_logps: None)(model, made)
    assert torch.equal(refs["ref_rejected_logps"], made.ref_answer_logps[[1, 2]])
    assert torch.equal(refs["ref_chosen_logps"], made.ref_answer_logps[[0, 0]])


def test_labels_by_hand():
    made = batch(("mismatched", "chosen"), ("rejected",))
    assert COLUMNS["answer_labels"](made).tolist() == [0, 1, -1]
    with pytest.raises(DataError, match=r"kind sample .*row-0"):
        COLUMNS["answer_labels"](batch(("sample", "chosen")))


@pytest.mark.parametrize("name", CARRIED)
def test_what_a_batch_does_not_carry_is_said(name):
    made = batch(("chosen", "rejected"))
    match = rf"{'needs references' if name.startswith('ref_') else 'samples'}.* no {name}; .*row-0"
    parameters = set(inspect.signature(COLUMNS[name]).parameters)
    others = {each: torch.zeros(2) for each in parameters - {"batch"}}
    with pytest.raises(TrainingError, match=match):
        COLUMNS[name](made, **others)
    carried = torch.ones(2)
    assert COLUMNS[name](replace(made, **{name: carried}), **others) is carried


def test_a_model_without_a_head_gives_no_rewards(model):
    with pytest.raises(ModelError, match="Qwen2ForCausalLM has no reward head"):
        columns_for(lambda answer_rewards: None)(model, batch(("chosen", "rejected")))


def test_rewards_are_read_where_answers_end_and_values_before_each_token(model):
    model.score = nn.Linear(TEXT_WIDTH, 1, bias=False, dtype=torch.float64)
    made = batch(("chosen", "rejected"), ("chosen", "rejected", "rejected"))
    rewards = columns_for(lambda answer_rewards: None)(model, made)["answer_rewards"]
    values = columns_for(lambda token_values: None)(model, made)["token_values"]
    expected_rewards, expected_values = [], []
    for at, kinds in enumerate((2, 3)):
        row = group(f"row-{at}", *("chosen",) * kinds, seed=at)
        for answer in row.answers:  # each by itself, as it would be read when it is served
            ids = torch.tensor([[*row.prefix, *answer.ids]])
            scores = model.score(model.model(ids).last_hidden_state)[0, :, 0]
            expected_rewards.append(scores[-1])
            expected_values += scores[len(row.prefix) - 1 : -1]
    torch.testing.assert_close(rewards, torch.stack(expected_rewards))
    torch.testing.assert_close(values, torch.stack(expected_values))
    loss = OBJECTIVES["bradley_terry"].function(
        **columns_for(OBJECTIVES["bradley_terry"].function)(model, made)
    )
    assert loss.count == 3


def test_policy_and_critic_learn_from_one_pass(model, monkeypatch):
    """PPO with its critic: the batch is read once, and the gradient is that of two passes."""
    model.score = nn.Linear(TEXT_WIDTH, 1, bias=False, dtype=torch.float64)
    torch.manual_seed(0)
    nn.init.normal_(model.score.weight)
    made = batch(("chosen", "rejected"), ("chosen",))
    tokens = len(made.targets)
    advantages, values, returns, noise = torch.randn(4, tokens, dtype=torch.float64)
    with torch.no_grad():
        old = columns_for(lambda token_logps: None)(model, made)["token_logps"] + 0.1 * noise
    made = replace(made, advantages=advantages, returns=returns)
    made = replace(made, old_token_logps=old, old_token_values=values)
    parts = [{"name": "ppo", "weight": 1.0}, {"name": "value", "weight": 0.5}]
    both = bind_objective({"name": "mixed", "parts": parts}, "objective").function
    ppo, value = (OBJECTIVES[name].function for name in ("ppo", "value"))
    passes, read = [], branches.hidden_states
    monkeypatch.setattr(
        branches, "hidden_states", lambda *a, **k: passes.append(1) or read(*a, **k)
    )
    gradients = []
    for weighted in ([(1.0, both)], [(1.0, ppo), (0.5, value)]):
        model.zero_grad()
        for weight, function in weighted:
            (weight * function(**columns_for(function)(model, made)).total).backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters()})
    assert len(passes) == 1 + 2
    for name, gradient in gradients[0].items():
        # Log-probs are taken in float32.
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["dpo", "ipo", "kto", "apo_zero"])
def test_a_model_that_is_its_own_reference_passes_the_guard(name, model):
    model.eval()
    objective = OBJECTIVES[name]
    made = with_references(batch(THREE, THREE), model)
    forward = Forward(model, columns_for(objective.function), torch.float32)
    loss = objective.function(**forward(made))
    assert float(loss.total.detach()) / loss.count == pytest.approx(objective.start)


@pytest.mark.parametrize("name", ["dpo", "orpo", "kto"])
def test_micro_batches_give_the_gradient_of_the_whole_batch(name, model):
    model.eval()
    rows = [group(f"row-{at}", *THREE, seed=at) for at in range(4)]
    references = [torch.randn(3, dtype=torch.float64) * 3 - 40 for _ in rows]

    def made(at):
        chosen = collate([rows[i] for i in at], 0)
        return replace(chosen, ref_answer_logps=torch.cat([references[i] for i in at]))

    objective = OBJECTIVES[name]
    forward = Forward(model, columns_for(objective.function), torch.float32)
    loss = objective.function(**forward(made(range(4))))
    loss.total.backward()
    whole = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    sums = accumulate(Accelerator(), forward, objective, [made([0]), made([1, 2, 3])], 0, 0)
    assert sums.total == pytest.approx(float(loss.total.detach()))
    assert sums.count == loss.count
    assert whole
    for parameter, gradient in whole.items():
        torch.testing.assert_close(model.get_parameter(parameter).grad, gradient)


def test_a_mixture_is_trained_by_the_loop(folder):
    """Eight steps of preference with likelihood: the margin opens, and the likelihood rises."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.eval()
    kinds = ("chosen", "rejected")
    pair = [collate([group(f"row-{at}", *kinds, seed=at)], 0) for at in range(2)]
    rows = [with_references(each, model) for each in pair]
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = [{"params": [p for _, p in named], "names": [n for n, _ in named], "lr": 1e-3}]
    parts = [{"name": "dpo", "weight": 1.0}, {"name": "nll", "weight": 0.5}]
    objective = bind_objective({"name": "mixed", "parts": parts}, "stage.mpo.objective")
    seen = []
    fit(model, groups, objective, lambda step: rows, Settings(steps=8), hooks=Hooks(seen.append))
    steps = [event for event in seen if event["kind"] == "step"]
    assert steps[0]["dpo_loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert steps[-1]["margin"] > steps[0]["margin"]
    assert steps[-1]["nll"] < steps[0]["nll"]
    first = steps[0]
    assert first["loss"] == pytest.approx(first["dpo_loss"] + 0.5 * first["nll"])
