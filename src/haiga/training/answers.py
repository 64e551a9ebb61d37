"""Columns of answers: pairs, labels, rewards, references, and what a rollout has noted."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from haiga.batches import groups
from haiga.errors import DataError, TrainingError
from haiga.models.score import scores_of

LABELS = {"chosen": 1, "rejected": -1, "mismatched": 0}


def pairs(batch: Any) -> Int[Tensor, "2 P"]:
    """Which answers are held against each other: chosen ones above, rejected ones below."""
    return groups.pairs(batch)


def chosen_logps(pairs: Int[Tensor, "2 P"], answer_logps: Float[Tensor, " A"]) -> Tensor:
    """Log-probability of each pair's chosen answer, P in all."""
    return answer_logps[pairs[0]]


def rejected_logps(pairs: Int[Tensor, "2 P"], answer_logps: Float[Tensor, " A"]) -> Tensor:
    """Log-probability of each pair's rejected answer."""
    return answer_logps[pairs[1]]


def ref_chosen_logps(pairs: Int[Tensor, "2 P"], ref_answer_logps: Float[Tensor, " A"]) -> Tensor:
    """The same of the chosen answer under the reference."""
    return ref_answer_logps[pairs[0]]


def ref_rejected_logps(pairs: Int[Tensor, "2 P"], ref_answer_logps: Float[Tensor, " A"]) -> Tensor:
    """The same of the rejected answer under the reference."""
    return ref_answer_logps[pairs[1]]


def chosen_lengths(pairs: Int[Tensor, "2 P"], answer_lengths: Int[Tensor, " A"]) -> Tensor:
    """Tokens of each pair's chosen answer that bear loss."""
    return answer_lengths[pairs[0]]


def rejected_lengths(pairs: Int[Tensor, "2 P"], answer_lengths: Int[Tensor, " A"]) -> Tensor:
    """Tokens of each pair's rejected answer that bear loss."""
    return answer_lengths[pairs[1]]


def chosen_rewards(pairs: Int[Tensor, "2 P"], answer_rewards: Float[Tensor, " A"]) -> Tensor:
    """The reward model's score of each pair's chosen answer."""
    return answer_rewards[pairs[0]]


def rejected_rewards(pairs: Int[Tensor, "2 P"], answer_rewards: Float[Tensor, " A"]) -> Tensor:
    """The reward model's score of each pair's rejected answer."""
    return answer_rewards[pairs[1]]


def answer_labels(batch: Any) -> Int[Tensor, " A"]:
    """KTO's: 1 for a chosen answer, -1 for a rejected one, 0 for a mismatched one."""
    unknown = set(batch.kinds) - set(LABELS)
    if unknown:
        raise DataError(
            f"Answers of the kind {', '.join(sorted(unknown))} are neither desirable nor "
            f"undesirable; the rows are {', '.join(batch.ids)}. Use {', '.join(LABELS)}."
        )
    return torch.tensor([LABELS[kind] for kind in batch.kinds], device=batch.group_of.device)


def answer_rewards(model: Any, batch: Any, hidden: Float[Tensor, "B L H"]) -> Float[Tensor, " A"]:
    """What the reward head says at each answer's last learned token."""
    return scores_of(model, hidden, batch.ends)


def token_values(model: Any, batch: Any, hidden: Float[Tensor, "B L H"]) -> Float[Tensor, " N"]:
    """What the critic's head expects before each learned token, where the token is predicted."""
    return scores_of(model, hidden, batch.sources)


def answer_of(batch: Any) -> Int[Tensor, " N"]:
    """The answer of each learned token."""
    return batch.answer_of


def ref_answer_logps(batch: Any) -> Float[Tensor, " A"]:
    """Log-probability of each whole answer under the reference."""
    return _carried(batch, "ref_answer_logps", "This stage needs references")


def ref_token_logps(batch: Any) -> Float[Tensor, " N"]:
    """Log-probability of each learned token under the reference."""
    return _carried(batch, "ref_token_logps", "This stage needs references")


def old_token_logps(batch: Any, token_logps: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Log-probability of each learned token under the policy that sampled it.

    Of fresh samples it is the policy's own, without a gradient: the ratio is 1, and its gradient
    is that of the log-probability.
    """
    if batch.fresh and batch.old_token_logps is None:
        return token_logps.detach()
    return _carried(batch, "old_token_logps", "This objective learns from samples")


def old_token_values(batch: Any) -> Float[Tensor, " N"]:
    """What the critic expected when the answers were sampled."""
    return _carried(batch, "old_token_values", "This objective learns from samples")


def advantages(batch: Any) -> Float[Tensor, " N"]:
    """How much better than expected each learned token turned out."""
    return _carried(batch, "advantages", "This objective learns from samples")


def returns(batch: Any) -> Float[Tensor, " N"]:
    """What came after each learned token: the critic's target."""
    return _carried(batch, "returns", "This objective learns from samples")


def _carried(batch: Any, name: str, why: str) -> Tensor:
    column = getattr(batch, name, None)
    if column is None:
        raise TrainingError(
            f"{why}, and its batch carries no {name}; the rows are {', '.join(batch.ids)}. They "
            "are computed before the step that uses them, and put on the batch."
        )
    return column
