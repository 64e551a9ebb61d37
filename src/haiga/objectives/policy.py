"""Policy gradients: what was sampled is made more or less likely, by how good it turned out.

Every column has a value for each sampled token, N in all. A loss is averaged over tokens ("token",
DAPO, Yu et al. 2025: a long answer weighs more), over answers of their tokens' means ("sequence",
GRPO, Shao et al. 2024: a token of a long answer weighs less), or over answers of their tokens' sums
divided by a number (Dr. GRPO, Liu et al. 2025: neither).
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import torch
from annotated_types import Gt
from jaxtyping import Float, Int
from torch import Tensor

from haiga.objectives.advantages import k2, k3
from haiga.objectives.base import Loss, Metric, Positive

Average: TypeAlias = Literal["token", "sequence"] | Annotated[int, Gt(0)]


def reinforce(
    token_logps: Float[Tensor, " N"],
    advantages: Float[Tensor, " N"],
    answer_of: Int[Tensor, " N"],
    *,
    average: Average = 1,
) -> Loss:
    """Williams (1992): minus the sum of advantage times log-probability; answers are counted.

    The gradient is that of the expected reward only where the policy itself has just sampled the
    answers. Here 1 divides no answer's sum, which is the theorem; see the module for the others.
    """
    total, count = _averaged(-advantages * token_logps, answer_of, average)
    return Loss(total, count, {"surprisal": _surprisal(token_logps)})


def ppo(
    token_logps: Float[Tensor, " N"],
    old_token_logps: Float[Tensor, " N"],
    advantages: Float[Tensor, " N"],
    answer_of: Int[Tensor, " N"],
    *,
    clip_low: Positive = 0.2,
    clip_high: Positive = 0.2,
    average: Average = "token",
) -> Loss:
    """The clipped surrogate of Schulman et al. (2017), equation 7, token by token.

        -min(w A, clip(w, 1 - clip_low, 1 + clip_high) A),   w = pi(token) / pi_old(token)

    so that answers can be learned from several times. DAPO clips higher than low (0.28 and 0.2).
    Surprisal, the mean of -log pi, is an estimate of the entropy while the samples are fresh.
    """
    ratio = torch.exp(token_logps - old_token_logps)
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    losses = -torch.minimum(ratio * advantages, clipped * advantages)
    total, count = _averaged(losses, answer_of, average)
    metrics = _clippings(ratio, advantages, clip_low, clip_high) | {
        "kl_to_old": (k3(old_token_logps, token_logps).detach().sum(), len(ratio)),
        "surprisal": _surprisal(token_logps),
    }
    return Loss(total, count, metrics)


def rloo(
    token_logps: Float[Tensor, " N"],
    old_token_logps: Float[Tensor, " N"],
    advantages: Float[Tensor, " N"],
    answer_of: Int[Tensor, " N"],
    *,
    clip_low: Positive = 0.2,
    clip_high: Positive = 0.2,
) -> Loss:
    """The clipped surrogate with one ratio for each whole answer; answers are counted.

        -min(w A, clip(w, 1 - clip_low, 1 + clip_high) A),   w = pi(answer) / pi_old(answer)

    So TRL learns RLOO (Ahmadian et al. 2024) from an answer more than once: the answer is one
    action, as it has one reward. On fresh samples the gradient is that of `reinforce`. An answer's
    advantage is the mean of its tokens', which are equal wherever answers are compared as wholes.
    """
    answers, place, lengths = answer_of.unique(return_inverse=True, return_counts=True)
    none = token_logps.new_zeros(len(answers))
    ratio = torch.exp(none.index_add(0, place, token_logps - old_token_logps))
    worth = none.index_add(0, place, advantages.to(none.dtype)) / lengths
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    losses = -torch.minimum(ratio * worth, clipped * worth)
    metrics = _clippings(ratio, worth, clip_low, clip_high) | {
        "kl_to_old": (k3(old_token_logps, token_logps).detach().sum(), len(token_logps)),
        "surprisal": _surprisal(token_logps),
    }
    return Loss(losses.sum(), len(answers), metrics)


def kl(
    token_logps: Float[Tensor, " N"],
    ref_token_logps: Float[Tensor, " N"],
    answer_of: Int[Tensor, " N"],
    *,
    estimator: Literal["k2", "k3"] = "k3",
    average: Average = "token",
) -> Loss:
    """How far the policy is from the reference, as a term of a mixture.

    On fresh samples the value of k3, which is GRPO's, is KL(pi, ref) on average, but its gradient
    is that of KL(ref, pi). k2 has the gradient of KL(pi, ref) and another value. The gradient of k1
    is 0 on average, so it is no loss: it belongs in the reward (`advantages.token_rewards`). See
    Schulman (2020) and Tang and Munos (2025). The metric is k3.
    """
    estimates = {"k2": k2, "k3": k3}[estimator](token_logps, ref_token_logps)
    total, count = _averaged(estimates, answer_of, average)
    distance = k3(token_logps, ref_token_logps).detach().sum()
    return Loss(total, count, {"kl": (distance, len(token_logps))})


def value(
    token_values: Float[Tensor, " N"],
    old_token_values: Float[Tensor, " N"],
    returns: Float[Tensor, " N"],
    *,
    clip: Positive = 0.2,
) -> Loss:
    """The critic's squared error, clipped around its old values as in OpenAI's baselines.

        max((v - R)^2, (clip(v, v_old - clip, v_old + clip) - R)^2) / 2

    Summed and counted over tokens; clip = inf is the plain squared error.
    """
    near = old_token_values + (token_values - old_token_values).clamp(-clip, clip)
    plain, clipped = (token_values - returns) ** 2, (near - returns) ** 2
    tokens = len(returns)
    metrics = {
        "value_error": ((token_values - returns).detach().abs().sum(), tokens),
        "value_clipped": ((clipped > plain).sum(), tokens),
    }
    return Loss(torch.maximum(plain, clipped).sum() / 2, tokens, metrics)


def _averaged(
    losses: Float[Tensor, " N"], answer_of: Int[Tensor, " N"], average: Average
) -> tuple[Float[Tensor, ""], float]:
    """A sum and its count, so that the whole step's quotient is the average asked for."""
    if average == "token":
        return losses.sum(), len(losses)
    answers, place, lengths = answer_of.unique(return_inverse=True, return_counts=True)
    each = lengths[place] if average == "sequence" else average
    return (losses / each).sum(), len(answers)


def _clippings(
    ratio: Float[Tensor, " M"], advantages: Float[Tensor, " M"], low: float, high: float
) -> dict[str, Metric]:
    """How many of the ratios clipping changes anything for, below and above."""
    below = (ratio < 1 - low) & (advantages < 0)
    above = (ratio > 1 + high) & (advantages > 0)
    return {
        "clipped_low": (below.sum(), len(ratio)),
        "clipped_high": (above.sum(), len(ratio)),
    }


def _surprisal(token_logps: Float[Tensor, " N"]) -> tuple[Tensor, float]:
    return -token_logps.detach().sum(), len(token_logps)
