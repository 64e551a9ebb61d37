"""How good a sampled answer was, against what could be expected: rewards become advantages.

Pure tensor functions for the rollout. `scored` is False where no reward is known (a judge that gave
no readable score): such an answer has no part in any baseline, and its advantage is 0. Its reward
may be anything, NaN included.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from haiga.errors import TrainingError


class Baseline(NamedTuple):
    """A moving mean of rewards, part of a run's resume state."""

    mean: float = 0.0
    seen: int = 0
    """How many batches it is made of."""


def moving_baseline(
    rewards: Float[Tensor, " A"],
    scored: Bool[Tensor, " A"],
    baseline: Baseline,
    *,
    decay: float = 0.9,
) -> tuple[Float[Tensor, " A"], Baseline]:
    """Rewards above the exponential moving mean of earlier batches (Williams 1992, section 3).

    The baseline does not know the answers that it judges, so the gradient stays unbiased; only the
    first batch, which has no earlier one, is its own baseline. Returns (advantages, next baseline).
    """
    if not scored.any():
        return torch.zeros_like(rewards), baseline
    mean = float(_given(rewards, scored).sum() / scored.sum())
    before = baseline.mean if baseline.seen else mean
    advantages = torch.where(scored, rewards - before, 0.0)
    return advantages, Baseline(decay * before + (1 - decay) * mean, baseline.seen + 1)


def leave_one_out(
    rewards: Float[Tensor, " A"], scored: Bool[Tensor, " A"], group_of: Int[Tensor, " A"]
) -> Float[Tensor, " A"]:
    """A reward above the mean of the group's other answers (RLOO, Kool et al. 2019).

    Raises:
        TrainingError: at a group of a single answer. One whose others are not scored gives 0.
    """
    centred, known = _centred(rewards, scored, group_of)
    return centred * known / (known - 1).clamp(min=1)


def group_relative(
    rewards: Float[Tensor, " A"],
    scored: Bool[Tensor, " A"],
    group_of: Int[Tensor, " A"],
    *,
    scale: bool = True,
    eps: float = 1e-4,
) -> Float[Tensor, " A"]:
    """A reward above its group's mean, in standard deviations (GRPO, Shao et al. 2024).

    Without `scale` it is Dr. GRPO's (Liu et al. 2025), in which groups of little difference weigh
    little. A group of equal rewards gives exactly 0; `eps` keeps nearly equal ones small.

    Raises:
        TrainingError: at a group of a single answer. One whose others are not scored gives 0.
    """
    centred, known = _centred(rewards, scored, group_of)
    if not scale:
        return centred
    squares = _per_group(centred**2, group_of)[group_of]
    return centred / ((squares / (known - 1).clamp(min=1)).sqrt() + eps)


def token_rewards(
    rewards: Float[Tensor, " A"],
    token_kl: Float[Tensor, " N"],
    answer_of: Int[Tensor, " N"],
    *,
    kl_weight: float,
) -> Float[Tensor, " N"]:
    """Minus the weighted KL at each token; the answer's reward is added at its last one.

    `token_kl` is an estimate on the sampled tokens, by `k1` as a rule: its sum over an answer is
    the log-ratio of the answer (Ziegler et al. 2019, equation 2).
    """
    ends = torch.bincount(answer_of).cumsum(0) - 1
    return (-kl_weight * token_kl).index_add(0, ends, rewards)


def gae(
    rewards: Float[Tensor, " N"],
    values: Float[Tensor, " N"],
    answer_of: Int[Tensor, " N"],
    *,
    gamma: float = 1.0,
    lam: float = 0.95,
) -> Float[Tensor, " N"]:
    """Generalised advantage estimation (Schulman et al. 2016, equation 16), answer by answer.

        A_t = delta_t + gamma lam A_(t+1),   delta_t = r_t + gamma V_(t+1) - V_t

    Nothing comes after an answer's last token. Tokens are in the order of their answers, and
    `gae(...) + values` are the returns that a critic learns.
    """
    lengths = torch.bincount(answer_of).tolist()
    r, v = (pad_sequence(list(each.split(lengths)), batch_first=True) for each in (rewards, values))
    ahead = torch.cat([v[:, 1:], torch.zeros_like(v[:, :1])], dim=1)
    delta = r + gamma * ahead - v
    advantages = torch.zeros_like(delta)
    last = torch.zeros_like(delta[:, 0])
    for t in reversed(range(delta.shape[1])):
        # Padding has neither reward nor value, so that every answer ends on 0.
        last = delta[:, t] + gamma * lam * last
        advantages[:, t] = last
    return torch.cat([row[:length] for row, length in zip(advantages, lengths, strict=True)])


def k1(logps: Float[Tensor, " N"], ref_logps: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """log pi - log ref, on samples of pi: unbiased for KL(pi, ref), of either sign."""
    return logps - ref_logps


def k2(logps: Float[Tensor, " N"], ref_logps: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """(log pi - log ref)^2 / 2: biased, never negative."""
    return (logps - ref_logps) ** 2 / 2


def k3(logps: Float[Tensor, " N"], ref_logps: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """ref / pi - 1 - log(ref / pi): unbiased and never negative (Schulman 2020)."""
    return torch.expm1(ref_logps - logps) - (ref_logps - logps)


def whiten(
    values: Float[Tensor, " A"], scored: Bool[Tensor, " A"], *, eps: float = 1e-8
) -> Float[Tensor, " A"]:
    """Mean 0 and variance 1 over what is scored, 0 elsewhere; equal values give exactly 0."""
    everything = torch.zeros(len(values), dtype=torch.long, device=values.device)
    centred = _around_mean(values, scored, everything)
    known = int(scored.sum())
    return centred / ((centred**2).sum() / max(known - 1, 1) + eps).sqrt()


def _centred(
    rewards: Float[Tensor, " A"], scored: Bool[Tensor, " A"], group_of: Int[Tensor, " A"]
) -> tuple[Float[Tensor, " A"], Float[Tensor, " A"]]:
    """Rewards about their group's mean, and how many are scored of each answer's group."""
    sizes = torch.bincount(group_of)
    if (sizes == 1).any():
        raise TrainingError(
            f"{int((sizes == 1).sum())} groups have a single answer, which has no other of its "
            "prompt to be compared with: sample at least two answers for each prompt."
        )
    known = _per_group(scored.to(rewards.dtype), group_of)[group_of]
    return _around_mean(rewards, scored, group_of), known


def _around_mean(
    rewards: Float[Tensor, " A"], scored: Bool[Tensor, " A"], group_of: Int[Tensor, " A"]
) -> Float[Tensor, " A"]:
    """Exactly 0 where all of a group are equal: the mean of three tenths is not a tenth."""
    given = _given(rewards, scored)
    known = _per_group(scored.to(rewards.dtype), group_of).clamp(min=1)
    mean = (_per_group(given, group_of) / known)[group_of]
    low = torch.full_like(known, torch.inf).scatter_reduce(
        0, group_of, torch.where(scored, rewards, torch.inf), "amin"
    )
    high = torch.full_like(known, -torch.inf).scatter_reduce(
        0, group_of, torch.where(scored, rewards, -torch.inf), "amax"
    )
    return torch.where(scored & (low < high)[group_of], rewards - mean, 0.0)


def _given(rewards: Float[Tensor, " A"], scored: Bool[Tensor, " A"]) -> Float[Tensor, " A"]:
    """Rewards where they are known, 0 elsewhere."""
    if not rewards[scored].isfinite().all():
        raise TrainingError(
            "A reward is NaN or infinite: mark its answer as not scored, or look at the reward."
        )
    return torch.where(scored, rewards, 0.0)


def _per_group(values: Float[Tensor, " A"], group_of: Int[Tensor, " A"]) -> Float[Tensor, " B"]:
    groups = int(group_of.max()) + 1 if len(group_of) else 0
    return values.new_zeros(groups).index_add(0, group_of, values)
