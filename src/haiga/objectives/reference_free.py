"""Preference objectives without a reference, on log-probabilities per token.

    s(y) = log pi(y) / |y|

All are summed and counted over pairs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from haiga.objectives.base import FlipRate, FromZero, Loss, Positive
from haiga.objectives.preference import logp_metrics, reward_metrics


def orpo(
    chosen_logps: Float[Tensor, " P"],
    rejected_logps: Float[Tensor, " P"],
    chosen_lengths: Int[Tensor, " P"],
    rejected_lengths: Int[Tensor, " P"],
    *,
    beta: FromZero = 0.1,
) -> Loss:
    """Odds ratio preference optimisation (Hong et al. 2024), equations 4, 6 and 7.

        -s(chosen) - beta log sigmoid(log odds(chosen) - log odds(rejected)),   odds = p / (1 - p)

    with p = exp(s), the geometric mean of the tokens' probabilities. The likelihood is that of the
    answer alone, each pair's weighing the same; `beta` is the paper's lambda.
    """
    chosen, rejected = chosen_logps / chosen_lengths, rejected_logps / rejected_lengths
    log_odds_ratio = log_odds(chosen) - log_odds(rejected)
    odds_ratio_loss = F.softplus(-log_odds_ratio)
    pairs = len(chosen)
    metrics = {
        "accuracy": ((chosen > rejected).sum(), pairs),
        "nll": (-chosen.detach().sum(), pairs),
        "odds_ratio_loss": (odds_ratio_loss.detach().sum(), pairs),
        "log_odds_ratio": (log_odds_ratio.detach().sum(), pairs),
        "chosen_mean_logps": (chosen.detach().sum(), pairs),
        "rejected_mean_logps": (rejected.detach().sum(), pairs),
    }
    total = (beta * odds_ratio_loss - chosen).sum()
    return Loss(total, pairs, metrics | logp_metrics(chosen_logps, rejected_logps))


def simpo(
    chosen_logps: Float[Tensor, " P"],
    rejected_logps: Float[Tensor, " P"],
    chosen_lengths: Int[Tensor, " P"],
    rejected_lengths: Int[Tensor, " P"],
    *,
    beta: Positive = 2.0,
    gamma: FromZero = 1.0,
    label_smoothing: FlipRate = 0.0,
) -> Loss:
    """Meng et al. (2024), equation 6: beta s(y) is the reward, gamma the margin that it must have.

    -log sigmoid(beta s(chosen) - beta s(rejected) - gamma)
    """
    chosen, rejected = (
        beta * chosen_logps / chosen_lengths,
        beta * rejected_logps / rejected_lengths,
    )
    beyond = chosen - rejected - gamma
    losses = (1 - label_smoothing) * F.softplus(-beyond) + label_smoothing * F.softplus(beyond)
    metrics = reward_metrics(chosen, rejected) | logp_metrics(chosen_logps, rejected_logps)
    return Loss(losses.sum(), len(losses), metrics)


def nll(chosen_logps: Float[Tensor, " P"], chosen_lengths: Int[Tensor, " P"]) -> Loss:
    """-s(chosen): the likelihood term of a mixture with preference objectives.

    As in iterative RPO (Pang et al. 2024) and mixed preference optimisation (Wang et al. 2024). In
    a mixture with pairs `cross_entropy` would teach the rejected answers, too.
    """
    total = -(chosen_logps / chosen_lengths).sum()
    return Loss(total, len(chosen_logps), {"nll": (total.detach(), len(chosen_logps))})


def log_odds(logps: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
    """log(p / (1 - p)) from log p, finite up to p = 1, where 1 - p is taken to be the dtype's eps.

    `expm1` keeps 1 - p exact for p near 1, where 1 - exp(log p) would cancel.
    """
    logps = logps.clamp(max=-torch.finfo(logps.dtype).eps)
    return logps - torch.log(-torch.expm1(logps))
