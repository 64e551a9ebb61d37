"""Kahneman-Tversky optimisation: each answer is good or bad by itself, without a partner."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from haiga.errors import TrainingError
from haiga.objectives.base import FromZero, Loss, Positive


def kto(
    answer_logps: Float[Tensor, " A"],
    ref_answer_logps: Float[Tensor, " A"],
    answer_labels: Int[Tensor, " A"],
    *,
    beta: Positive = 0.1,
    desirable_weight: FromZero = 1.0,
    undesirable_weight: FromZero = 1.0,
    reference_point: Literal["mismatched", "batch", "zero"] = "mismatched",
) -> Loss:
    """Ethayarajh et al. (2024), equation 8, with r = log pi(y) - log pi_ref(y):

        desirable     lambda_D (1 - sigmoid(beta (r - z)))
        undesirable   lambda_U (1 - sigmoid(beta (z - r)))

    The reference point z is the policy's distance from the reference, without a gradient and at
    least 0: the mean r of the mismatched answers (another prompt's, the paper's estimate), that of
    the batch's own answers (no extra answers needed, but z then follows what is being learned), or
    0 (APO-zero unpaired, D'Oosterlinck et al. 2024).

    z is a statistic of the whole batch, so the loss of a batch is not the sum of its parts'.

    `answer_labels` are 1 for desirable, -1 for undesirable and 0 for mismatched answers; the first
    two are counted. A batch may lack either of them.

    Raises:
        TrainingError: where z is to be measured on mismatched answers, and there are none.
    """
    ratios = answer_logps - ref_answer_logps
    good, bad, foreign = (ratios[answer_labels == label] for label in (1, -1, 0))
    z = _reference_point(torch.cat([good, bad]), foreign, reference_point)
    total = (
        desirable_weight * torch.sigmoid(beta * (z - good)).sum()
        + undesirable_weight * torch.sigmoid(beta * (bad - z)).sum()
    )
    logps = answer_logps.detach()
    metrics = {
        "chosen_rewards": (beta * good.detach().sum(), len(good)),
        "rejected_rewards": (beta * bad.detach().sum(), len(bad)),
        "chosen_logps": (logps[answer_labels == 1].sum(), len(good)),
        "rejected_logps": (logps[answer_labels == -1].sum(), len(bad)),
        "mismatched_log_ratio": (foreign.detach().sum(), len(foreign)),
        "reference_point": (z, 1),
    }
    return Loss(total, len(good) + len(bad), metrics)


def value_at_start(desirable_weight: float, undesirable_weight: float) -> float | None:
    """Half the weight, as every sigmoid is 1/2; unknown where the two kinds weigh differently."""
    return desirable_weight / 2 if desirable_weight == undesirable_weight else None


def _reference_point(
    own: Float[Tensor, " M"], foreign: Float[Tensor, " F"], where: str
) -> Float[Tensor, ""]:
    if where == "zero":
        return own.new_zeros(())
    measured = foreign if where == "mismatched" else own
    if len(measured):
        return measured.detach().mean().clamp(min=0)
    raise TrainingError(
        f"KTO measures its reference point on {where} answers, and this batch has none. Give each "
        "group an answer of another picture (kind 'mismatched'), or set reference_point = 'batch'."
    )
