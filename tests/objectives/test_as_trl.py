"""TRL as a second opinion: values and gradients in float64, by the code of its own trainers.

A trainer's loss is a method that wants a trainer, a model and a padded batch. It gets a stand-in of
the first, and a model that knows the log-probabilities already.
"""

import warnings
from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch

from haiga.objectives import OBJECTIVES, Objective
from haiga.objectives.advantages import group_relative, leave_one_out
from haiga.objectives.bradley_terry import bradley_terry
from haiga.objectives.kto import kto
from haiga.objectives.mixed import mixed
from haiga.objectives.policy import kl, ppo, reinforce, rloo
from haiga.objectives.reference_free import orpo, simpo

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # importing what TRL calls experimental warns
    from trl.experimental.cpo.cpo_trainer import CPOTrainer
    from trl.experimental.orpo.orpo_trainer import ORPOTrainer
    from trl.trainer.dpo_trainer import DPOTrainer
    from trl.trainer.grpo_trainer import GRPOTrainer
    from trl.trainer.kto_trainer import KTOTrainer
    from trl.trainer.reward_trainer import RewardTrainer
    from trl.trainer.rloo_trainer import RLOOTrainer
    from trl.trainer.utils import nanstd

PAIRS, WIDTH = 3, 5
LENGTHS = torch.tensor([2, 5, 3, 4, 1, 3])
"""Of three chosen answers, then of three rejected ones."""
MASK = torch.arange(WIDTH) < LENGTHS[:, None]
ANSWER_OF = torch.arange(2 * PAIRS).repeat_interleave(LENGTHS)


def noise(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


TOKENS = (-noise(2 * PAIRS, WIDTH, seed=0).abs() - 0.01) * MASK
REFERENCES = (TOKENS.sum(1) + noise(2 * PAIRS, seed=1)).detach()
ADVANTAGES = noise(2 * PAIRS, seed=2)


def trainer(**settings):
    """What the losses read of a trainer."""
    accelerator = SimpleNamespace(
        device=torch.device("cpu"),
        num_processes=1,
        gather=lambda tensor: tensor,
        gather_for_metrics=lambda tensor: tensor,
        reduce=lambda tensor, reduction: tensor,
    )
    return SimpleNamespace(
        accelerator=accelerator,
        model=SimpleNamespace(training=True),
        aux_loss_enabled=False,
        precompute_ref_logps=True,
        _metrics={"train": defaultdict(list)},
        _total_train_tokens=0,
        _tp_size=1,
        **settings,
    )


def model_of(tokens):
    """A model whose answer is known."""
    zeros = torch.zeros(tokens.shape)
    outputs = SimpleNamespace(
        log_probs=tokens, entropy=zeros, mean_logits=zeros, is_top1=zeros.bool()
    )
    return lambda **given: outputs


def padded():
    """One token of prompt, then the answers."""
    answers = torch.cat([torch.zeros(2 * PAIRS, 1, dtype=torch.bool), MASK], dim=1).long()
    return {
        "input_ids": torch.ones_like(answers),
        "attention_mask": torch.ones_like(answers),
        "completion_mask": answers,
    }


def same(ours, theirs):
    """Both are functions of token log-probs; their values and gradients are equal."""
    leaves = [TOKENS.clone().requires_grad_() for _ in range(2)]
    values = [loss(leaf) for loss, leaf in zip((ours, theirs), leaves, strict=True)]
    torch.testing.assert_close(*values, rtol=1e-12, atol=1e-12)
    for value in values:
        value.backward()
    torch.testing.assert_close(leaves[0].grad, leaves[1].grad, rtol=1e-12, atol=1e-12)
    assert leaves[0].grad.abs().max() > 0


def mean(loss):
    return loss.total / loss.count


def as_columns(tokens):
    """(chosen, rejected), references and lengths."""
    chosen, rejected = tokens.sum(1).chunk(2)
    return [chosen, rejected, *REFERENCES.chunk(2), *LENGTHS.chunk(2)]


DPO = [
    ("dpo", "sigmoid", {"beta": 0.3, "label_smoothing": 0.0}),
    ("dpo_robust", "robust", {"beta": 0.3, "label_smoothing": 0.2}),
    ("dpo_hinge", "hinge", {"beta": 0.3}),
    ("dpo_norm", "sigmoid_norm", {"beta": 4.0}),
    ("ipo", "ipo", {"beta": 0.3}),
    ("bco", "bco_pair", {"beta": 0.3}),
    ("apo_zero", "apo_zero", {"beta": 0.3}),
    ("apo_down", "apo_down", {"beta": 0.3}),
]


def trl_dpo(kinds, weights, options, metrics=None):
    def loss(tokens):
        settings = {"label_smoothing": 0.0} | options
        chosen, rejected = REFERENCES.chunk(2)
        stand_in = trainer(
            loss_types=kinds,
            loss_weights=weights,
            ld_alpha=None,
            f_divergence_type="reverse_kl",
            use_weighting=False,
            **settings,
        )
        batch = padded() | {"ref_chosen_logps": chosen, "ref_rejected_logps": rejected}
        value = DPOTrainer._compute_loss(stand_in, model_of(tokens), batch, False)
        if metrics is not None:
            metrics.update(stand_in._metrics["train"])
        return value

    return loss


@pytest.mark.parametrize(("name", "kind", "options"), DPO, ids=[name for name, *_ in DPO])
def test_dpo_and_its_variants(name, kind, options):
    needed = 6 if name in ("dpo_norm", "ipo") else 4
    function = OBJECTIVES[name].function
    same(
        lambda tokens: mean(function(*as_columns(tokens)[:needed], **options)),
        trl_dpo([kind], [1.0], options),
    )


def test_conservative_dpo():
    """TRL smooths the labels of CPO's sigmoid, not of DPO's; with references of 0 it is DPO."""
    stand_in = trainer(loss_type="sigmoid", alpha=0.0, beta=0.3, label_smoothing=0.2)
    zeros = torch.zeros(PAIRS, dtype=torch.float64)
    same(
        lambda tokens: mean(
            OBJECTIVES["dpo"].function(
                *tokens.sum(1).chunk(2), zeros, zeros, beta=0.3, label_smoothing=0.2
            )
        ),
        lambda tokens: CPOTrainer.cpo_loss(stand_in, *tokens.sum(1).chunk(2))[0].mean(),
    )


def test_metrics_of_dpo():
    seen = {}
    trl_dpo(["sigmoid"], [1.0], {"beta": 0.3}, seen)(TOKENS)
    loss = OBJECTIVES["dpo"].function(*as_columns(TOKENS)[:4], beta=0.3)
    means = {name: float(total) / n for name, (total, n) in loss.metrics.items()}
    names = {
        "accuracy": "rewards/accuracies",
        "margin": "rewards/margins",
        "chosen_rewards": "rewards/chosen",
        "rejected_rewards": "rewards/rejected",
        "chosen_logps": "logps/chosen",
        "rejected_logps": "logps/rejected",
    }
    assert means == pytest.approx({ours: seen[theirs][0] for ours, theirs in names.items()})


def test_mixed_preference_optimisation():
    """TRL's likelihood is a mean over tokens, ours of pairs: the same for answers of one length."""
    parts = {"dpo": (0.8, OBJECTIVES["dpo"]), "bco": (0.2, OBJECTIVES["bco"])}
    names = ["chosen_logps", "rejected_logps", "ref_chosen_logps", "ref_rejected_logps"]

    def ours(tokens):
        columns = dict(zip(names, as_columns(tokens), strict=False))
        return mean(mixed(parts).function(**columns))

    same(ours, trl_dpo(["sigmoid", "bco_pair"], [0.8, 0.2], {"beta": 0.1}))


def test_the_likelihood_of_a_mixture(monkeypatch):
    monkeypatch.setattr(f"{__name__}.MASK", torch.ones_like(MASK))
    lengths = torch.full((PAIRS,), WIDTH)
    same(
        lambda tokens: mean(OBJECTIVES["nll"].function(tokens.sum(1)[:PAIRS], lengths)),
        trl_dpo(["sft"], [1.0], {"beta": 0.1}),
    )


@pytest.mark.parametrize("distance", [1, -3])
@pytest.mark.parametrize("where", ["mismatched", "zero"])
@pytest.mark.parametrize("labels", [[1, 1, 1, -1, -1, -1], [1] * 6, [-1] * 6])
def test_kto(distance, where, labels):
    weights = {"desirable_weight": 1.0, "undesirable_weight": 0.3}
    foreign = noise(4, seed=3) * 2 + distance
    labels = torch.tensor(labels)
    batch = padded() | {
        "label": labels == 1,
        "ref_logps": REFERENCES,
        "ref_KL_logps": torch.zeros(4, dtype=torch.float64),
    }

    def ours(tokens):
        answers = torch.cat([tokens.sum(1), foreign])
        references = torch.cat([REFERENCES, torch.zeros(4, dtype=torch.float64)])
        all_labels = torch.cat([labels, torch.zeros(4, dtype=torch.long)])
        loss = kto(answers, references, all_labels, beta=0.3, reference_point=where, **weights)
        return mean(loss)

    def theirs(tokens):
        stand_in = trainer(
            beta=0.3,
            loss_type="kto" if where == "mismatched" else "apo_zero_unpaired",
            calculate_KL=where == "mismatched",
            _compute_kl_logps=lambda model, batch: foreign,
            **weights,
        )
        return KTOTrainer._compute_loss(stand_in, model_of(tokens), batch, False)

    same(ours, theirs)


def test_orpo(monkeypatch):
    """The term of the odds; TRL's likelihood is the caller's, and counts the prompt, too."""
    monkeypatch.setattr(torch.Tensor, "float", lambda self: self)  # TRL computes it in float32
    stand_in = trainer(beta=0.3)

    def ours(tokens):
        chosen, rejected, *_, chosen_lengths, rejected_lengths = as_columns(tokens)
        loss = orpo(chosen, rejected, chosen_lengths, rejected_lengths, beta=0.3)
        return mean(loss) + (chosen / chosen_lengths).mean()

    def theirs(tokens):
        scores = (tokens.sum(1) / LENGTHS).chunk(2)
        return -ORPOTrainer.odds_ratio_loss(stand_in, *scores)[0].mean()

    same(ours, theirs)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_simpo(smoothing):
    stand_in = trainer(
        loss_type="simpo", alpha=0.0, beta=2.0, simpo_gamma=0.7, label_smoothing=smoothing
    )
    options = {"beta": 2.0, "gamma": 0.7, "label_smoothing": smoothing}

    def ours(tokens):
        chosen, rejected, *_, chosen_lengths, rejected_lengths = as_columns(tokens)
        return mean(simpo(chosen, rejected, chosen_lengths, rejected_lengths, **options))

    def theirs(tokens):
        return CPOTrainer.cpo_loss(stand_in, *(tokens.sum(1) / LENGTHS).chunk(2))[0].mean()

    same(ours, theirs)


@pytest.mark.parametrize("centre", [0.0, 0.05])
def test_bradley_terry(centre):
    stand_in = trainer(args=SimpleNamespace(center_rewards_coefficient=centre or None))

    def theirs(tokens):
        rewards = SimpleNamespace(logits=tokens.sum(1)[:, None])
        inputs = {"attention_mask": torch.ones(6, 2)}
        return RewardTrainer.compute_loss(stand_in, lambda **given: rewards, inputs)

    same(lambda tokens: mean(bradley_terry(*tokens.sum(1).chunk(2), centre=centre)), theirs)


def rollout(**more):
    return {
        "prompt_ids": torch.ones(2 * PAIRS, 1).long(),
        "prompt_mask": torch.ones(2 * PAIRS, 1).long(),
        "completion_ids": torch.ones(2 * PAIRS, WIDTH).long(),
        "completion_mask": MASK.long(),
        "advantages": ADVANTAGES,
        "num_items_in_batch": LENGTHS.sum(),
        **more,
    }


@pytest.mark.parametrize(
    ("kind", "average"),
    [("grpo", "sequence"), ("dapo", "token"), ("bnpo", "token"), ("dr_grpo", 8)],
)
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_clipped_surrogates_with_their_kl_term(kind, average, beta):
    old = TOKENS + 0.3 * noise(2 * PAIRS, WIDTH, seed=4) * MASK
    references = TOKENS + 0.3 * noise(2 * PAIRS, WIDTH, seed=5) * MASK

    def ours(tokens):
        columns = {
            "token_logps": tokens[MASK],
            "old_token_logps": old[MASK],
            "ref_token_logps": references[MASK],
            "advantages": ADVANTAGES[ANSWER_OF],
            "answer_of": ANSWER_OF,
        }

        def clipped(token_logps, old_token_logps, advantages, answer_of):
            given = (token_logps, old_token_logps, advantages, answer_of)
            return ppo(*given, clip_low=0.2, clip_high=0.28, average=average)

        def penalty(token_logps, ref_token_logps, answer_of):
            return kl(token_logps, ref_token_logps, answer_of, average=average)

        parts = {"ppo": (1.0, Objective(clipped)), "kl": (beta, Objective(penalty))}
        return mean(mixed(parts).function(**columns))

    def theirs(tokens):
        stand_in = trainer(
            args=SimpleNamespace(delta=None, use_bias_correction_kl=False, steps_per_generation=1),
            _get_per_token_logps_and_entropies=lambda *a, **k: (tokens, torch.zeros(6, 5), None),
            top_entropy_quantile=1.0,
            off_policy_mask_threshold=None,
            importance_sampling_level="token",
            beta=beta,
            loss_type=kind,
            epsilon_low=0.2,
            epsilon_high=0.28,
            use_vllm=False,
            current_gradient_accumulation_steps=1,
            max_completion_length=8,
            _entropy_bonus_enabled=False,
        )
        batch = rollout(old_per_token_logps=old, ref_per_token_logps=references)
        return GRPOTrainer._compute_loss(stand_in, None, batch)

    same(ours, theirs)


@pytest.mark.parametrize("apart", [0.0, 0.3])
def test_rloo(apart):
    """Fresh samples, and samples that have been learned from, of which some are clipped."""
    old = TOKENS + apart * noise(2 * PAIRS, WIDTH, seed=4) * MASK
    seen = []

    def ours(tokens):
        loss = rloo(tokens[MASK], old[MASK], ADVANTAGES[ANSWER_OF], ANSWER_OF, clip_high=0.28)
        seen.append(loss.metrics)
        return mean(loss)

    def theirs(tokens):
        stand_in = trainer(
            _get_per_token_logps_and_entropies=lambda *a, **k: (tokens, torch.zeros(6, 5), None),
            epsilon_low=0.2,
            epsilon_high=0.28,
        )
        return RLOOTrainer._compute_loss(stand_in, None, rollout(old_logps=old.sum(1)))

    same(ours, theirs)
    clipped = sum(float(seen[0][f"clipped_{side}"][0]) for side in ("low", "high"))
    assert (clipped > 0) == (apart > 0)


def test_reinforce_has_the_gradient_of_rloo_on_fresh_samples():
    leaves = [TOKENS.clone().requires_grad_() for _ in range(2)]
    stand_in = trainer(
        _get_per_token_logps_and_entropies=lambda *a, **k: (leaves[0], torch.zeros(6, 5), None),
        epsilon_low=0.2,
        epsilon_high=0.2,
    )
    RLOOTrainer._compute_loss(stand_in, None, rollout(old_logps=TOKENS.sum(1))).backward()
    mean(reinforce(leaves[1][MASK], ADVANTAGES[ANSWER_OF], ANSWER_OF)).backward()
    torch.testing.assert_close(leaves[0].grad * MASK, leaves[1].grad)


def test_advantages_as_trl_writes_them():
    """Its lines stand inside a method of hundreds; they are repeated here with its own `nanstd`."""
    rewards = noise(2, 4, seed=6)
    rewards[0, 2] = torch.nan
    scored, group_of = ~rewards.isnan().flatten(), torch.arange(2).repeat_interleave(4)
    centred = rewards - rewards.nanmean(dim=1, keepdim=True)
    relative = (centred / (nanstd(rewards, dim=1, keepdim=True) + 1e-4)).nan_to_num(0.0).flatten()
    torch.testing.assert_close(group_relative(rewards.flatten(), scored, group_of), relative)
    known = (~rewards.isnan()).sum(dim=1, keepdim=True)
    baselines = (rewards.nansum(dim=1, keepdim=True) - rewards) / (known - 1)
    one_out = (rewards - baselines).nan_to_num(0.0).flatten()
    torch.testing.assert_close(leave_one_out(rewards.flatten(), scored, group_of), one_out)
