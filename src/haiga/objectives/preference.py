"""Preference objectives against a reference: DPO (Rafailov et al. 2023) and its variants.

The reward of an answer is how much more likely the policy makes it than the reference does,

    r(y) = beta (log pi(y) - log pi_ref(y)),

summed over its tokens, and m = r(chosen) - r(rejected) is the margin of a pair. All are summed and
counted over pairs. Before the first step every reward is 0.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from haiga.objectives.base import FlipRate, Loss, Metric, Positive


def dpo(
    chosen_logps: Float[Tensor, " P"],
    rejected_logps: Float[Tensor, " P"],
    ref_chosen_logps: Float[Tensor, " P"],
    ref_rejected_logps: Float[Tensor, " P"],
    *,
    beta: Positive = 0.1,
    label_smoothing: FlipRate = 0.0,
) -> Loss:
    """Rafailov et al. (2023), equation 7; conservative DPO (Mitchell 2023) with smoothed labels.

        -(1 - e) log sigmoid(m) - e log sigmoid(-m)

    With smoothing e the loss is least at the margin log((1 - e) / e), not at infinity.
    """
    chosen = beta * (chosen_logps - ref_chosen_logps)
    rejected = beta * (rejected_logps - ref_rejected_logps)
    right, wrong = F.softplus(rejected - chosen), F.softplus(chosen - rejected)
    losses = (1 - label_smoothing) * right + label_smoothing * wrong
    return _of_pairs(losses, (chosen, rejected), (chosen_logps, rejected_logps))


def dpo_robust(
    chosen_logps: Float[Tensor, " P"],
    rejected_logps: Float[Tensor, " P"],
    ref_chosen_logps: Float[Tensor, " P"],
    ref_rejected_logps: Float[Tensor, " P"],
    *,
    beta: Positive = 0.1,
    label_smoothing: FlipRate = 0.1,
) -> Loss:
    """Robust DPO, Ray Chowdhury et al. (2024): unbiased where a share e is swapped.

    (-(1 - e) log sigmoid(m) + e log sigmoid(-m)) / (1 - 2 e)
    """
    chosen = beta * (chosen_logps - ref_chosen_logps)
    rejected = beta * (rejected_logps - ref_rejected_logps)
    right, wrong = F.softplus(rejected - chosen), F.softplus(chosen - rejected)
    losses = (1 - label_smoothing) * right - label_smoothing * wrong
    losses = losses / (1 - 2 * label_smoothing)
    return _of_pairs(losses, (chosen, rejected), (chosen_logps, rejected_logps))


def dpo_hinge(
    chosen_logps: Float[Tensor, " P"],
    rejected_logps: Float[Tensor, " P"],
    ref_chosen_logps: Float[Tensor, " P"],
    ref_rejected_logps: Float[Tensor, " P"],
    *,
    beta: Positive = 0.1,
) -> Loss:
    """SLiC's hinge (Zhao et al. 2023) on DPO's margin, as RSO (Liu et al. 2024) has it.

    max(0, 1 - m)
    """
    chosen = beta * (chosen_logps - ref_chosen_logps)
    rejected = beta * (rejected_logps - ref_rejected_logps)
    losses = torch.relu(1 - (chosen - rejected))
    return _of_pairs(losses, (chosen, rejected), (chosen_logps, rejected_logps))


def dpo_norm(
    chosen_logps: Float[Tensor, " P"],
    rejected_logps: Float[Tensor, " P"],
    ref_chosen_logps: Float[Tensor, " P"],
    ref_rejected_logps: Float[Tensor, " P"],
    chosen_lengths: Int[Tensor, " P"],
    rejected_lengths: Int[Tensor, " P"],
    *,
    beta: Positive = 5.0,
    label_smoothing: FlipRate = 0.0,
) -> Loss:
    """DPO on rewards per token, so that a long answer has no head start (Tulu 3, Lambert 2024).

    `dpo` with r(y) divided by the tokens of y, and so a beta some tens of times larger.
    """
    chosen = beta * (chosen_logps - ref_chosen_logps) / chosen_lengths
    rejected = beta * (rejected_logps - ref_rejected_logps) / rejected_lengths
    right, wrong = F.softplus(rejected - chosen), F.softplus(chosen - rejected)
    losses = (1 - label_smoothing) * right + label_smoothing * wrong
    return _of_pairs(losses, (chosen, rejected), (chosen_logps, rejected_logps))


def ipo(
    chosen_logps: Float[Tensor, " P"],
    rejected_logps: Float[Tensor, " P"],
    ref_chosen_logps: Float[Tensor, " P"],
    ref_rejected_logps: Float[Tensor, " P"],
    chosen_lengths: Int[Tensor, " P"],
    rejected_lengths: Int[Tensor, " P"],
    *,
    beta: Positive = 0.1,
) -> Loss:
    """Azar et al. (2024), equation 17: a margin of 1 / (2 beta) is wanted, and no more.

        (h - 1 / (2 beta))^2

    h is the margin without its beta, of log-ratios per token: the authors' experiments divide by
    the length, although their formula does not (they told the authors of TRL so).
    """
    chosen = (chosen_logps - ref_chosen_logps) / chosen_lengths
    rejected = (rejected_logps - ref_rejected_logps) / rejected_lengths
    losses = (chosen - rejected - 1 / (2 * beta)) ** 2
    rewards = (beta * chosen, beta * rejected)
    return _of_pairs(losses, rewards, (chosen_logps, rejected_logps))


def bco(
    chosen_logps: Float[Tensor, " P"],
    rejected_logps: Float[Tensor, " P"],
    ref_chosen_logps: Float[Tensor, " P"],
    ref_rejected_logps: Float[Tensor, " P"],
    *,
    beta: Positive = 0.1,
) -> Loss:
    """Each answer is good or bad by itself (Jung et al. 2024, with a reward shift of 0).

        -log sigmoid(r(chosen)) - log sigmoid(-r(rejected))

    The quality term of mixed preference optimisation (Wang et al. 2024), whose shift is a moving
    mean of rewards; TRL leaves it out, too.
    """
    chosen = beta * (chosen_logps - ref_chosen_logps)
    rejected = beta * (rejected_logps - ref_rejected_logps)
    losses = F.softplus(-chosen) + F.softplus(rejected)
    return _of_pairs(losses, (chosen, rejected), (chosen_logps, rejected_logps))


def apo_zero(
    chosen_logps: Float[Tensor, " P"],
    rejected_logps: Float[Tensor, " P"],
    ref_chosen_logps: Float[Tensor, " P"],
    ref_rejected_logps: Float[Tensor, " P"],
    *,
    beta: Positive = 0.1,
) -> Loss:
    """For chosen answers better than the model's own: up with these, down with those.

    1 - sigmoid(r(chosen)) + sigmoid(r(rejected)): D'Oosterlinck et al. (2024), equation 7.
    """
    chosen = beta * (chosen_logps - ref_chosen_logps)
    rejected = beta * (rejected_logps - ref_rejected_logps)
    losses = torch.sigmoid(-chosen) + torch.sigmoid(rejected)
    return _of_pairs(losses, (chosen, rejected), (chosen_logps, rejected_logps))


def apo_down(
    chosen_logps: Float[Tensor, " P"],
    rejected_logps: Float[Tensor, " P"],
    ref_chosen_logps: Float[Tensor, " P"],
    ref_rejected_logps: Float[Tensor, " P"],
    *,
    beta: Positive = 0.1,
) -> Loss:
    """For chosen answers worse than the model's own: down with both, and with the rejected more.

    sigmoid(r(chosen)) + 1 - sigmoid(m): D'Oosterlinck et al. (2024), equation 8.
    """
    chosen = beta * (chosen_logps - ref_chosen_logps)
    rejected = beta * (rejected_logps - ref_rejected_logps)
    losses = torch.sigmoid(chosen) + torch.sigmoid(rejected - chosen)
    return _of_pairs(losses, (chosen, rejected), (chosen_logps, rejected_logps))


def reward_metrics(chosen: Float[Tensor, " P"], rejected: Float[Tensor, " P"]) -> dict[str, Metric]:
    """Both rewards, the margin, and how often the chosen one is larger; a tie is no success."""
    chosen, rejected, pairs = chosen.detach(), rejected.detach(), len(chosen)
    return {
        "accuracy": ((chosen > rejected).sum(), pairs),
        "margin": ((chosen - rejected).sum(), pairs),
        "chosen_rewards": (chosen.sum(), pairs),
        "rejected_rewards": (rejected.sum(), pairs),
    }


def logp_metrics(
    chosen_logps: Float[Tensor, " P"], rejected_logps: Float[Tensor, " P"]
) -> dict[str, Metric]:
    """Log-probabilities of whole answers: a margin may grow while both of them fall."""
    return {
        "chosen_logps": (chosen_logps.detach().sum(), len(chosen_logps)),
        "rejected_logps": (rejected_logps.detach().sum(), len(rejected_logps)),
    }


def _of_pairs(
    losses: Float[Tensor, " P"], rewards: tuple[Tensor, Tensor], logps: tuple[Tensor, Tensor]
) -> Loss:
    return Loss(losses.sum(), len(losses), reward_metrics(*rewards) | logp_metrics(*logps))
