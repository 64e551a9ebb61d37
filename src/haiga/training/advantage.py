"""From rewards to what each sampled token was worth: the table that a recipe names one of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le, Lt
from jaxtyping import Bool, Float, Int
from torch import Tensor

from haiga.errors import TrainingError
from haiga.objectives import advantages
from haiga.objectives.advantages import Baseline


@dataclass(frozen=True)
class Seen:
    """What a rollout has measured: A answers to groups of prompts, N tokens in all."""

    rewards: Float[Tensor, " A"]
    scored: Bool[Tensor, " A"]
    """False where a reward failed: such an answer learns nothing and is in no baseline."""
    group_of: Int[Tensor, " A"]
    answer_of: Int[Tensor, " N"]
    token_kl: Float[Tensor, " N"] | None
    """log pi - log ref of each token; None where nothing is taken off for it."""
    kl_weight: float
    values: Float[Tensor, " N"] | None
    """What a critic expected."""
    baseline: Baseline


@dataclass(frozen=True)
class Worth:
    """What comes of it."""

    advantages: Float[Tensor, " N"]
    baseline: Baseline
    """For the next rollout; changed by a moving one only."""
    returns: Float[Tensor, " N"] | None = None
    """What a critic learns; None without one."""


def moving_baseline(seen: Seen, *, decay: Annotated[float, Ge(0), Lt(1)] = 0.9) -> Worth:
    """REINFORCE with the moving mean of earlier rollouts."""
    worth, baseline = advantages.moving_baseline(
        _less_kl(seen), seen.scored, seen.baseline, decay=decay
    )
    return Worth(worth[seen.answer_of], baseline)


def leave_one_out(seen: Seen) -> Worth:
    """RLOO: against the mean of the prompt's other samples."""
    worth = advantages.leave_one_out(_less_kl(seen), seen.scored, seen.group_of)
    return Worth(worth[seen.answer_of], seen.baseline)


def group_relative(seen: Seen, *, scale: bool = True) -> Worth:
    """GRPO: against the prompt's mean, in standard deviations; without `scale`, Dr. GRPO."""
    worth = advantages.group_relative(_less_kl(seen), seen.scored, seen.group_of, scale=scale)
    return Worth(worth[seen.answer_of], seen.baseline)


def gae(
    seen: Seen,
    *,
    gamma: Annotated[float, Gt(0), Le(1)] = 1.0,
    lam: Annotated[float, Ge(0), Le(1)] = 0.95,
) -> Worth:
    """PPO with a critic: the KL is taken off token by token, and advantages are whitened.

    Raises:
        TrainingError: there is no critic.
    """
    if seen.values is None:
        raise TrainingError("gae asks a critic what it expected, and this stage has none.")
    rewards = torch.where(seen.scored, seen.rewards, 0.0)
    apart = torch.zeros_like(seen.values) if seen.token_kl is None else seen.token_kl
    each = advantages.token_rewards(rewards, apart, seen.answer_of, kl_weight=seen.kl_weight)
    raw = advantages.gae(each, seen.values, seen.answer_of, gamma=gamma, lam=lam)
    learns = seen.scored[seen.answer_of]
    # What could not be scored teaches the critic what it already believes, and the policy nothing.
    returns = torch.where(learns, raw + seen.values, seen.values)
    return Worth(advantages.whiten(raw, learns), seen.baseline, returns)


ADVANTAGES: dict[str, Callable[..., Worth]] = {
    "moving_baseline": moving_baseline,
    "leave_one_out": leave_one_out,
    "group_relative": group_relative,
    "gae": gae,
}


def _less_kl(seen: Seen) -> Float[Tensor, " A"]:
    """Each answer's reward less its weighted distance from the reference (k1, Ziegler 2019)."""
    if seen.token_kl is None:
        return seen.rewards
    whole = torch.zeros_like(seen.rewards).index_add(0, seen.answer_of, seen.token_kl)
    return seen.rewards - seen.kl_weight * whole
