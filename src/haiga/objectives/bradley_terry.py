"""The reward model's objective."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from haiga.objectives.base import FromZero, Loss
from haiga.objectives.preference import reward_metrics


def bradley_terry(
    chosen_rewards: Float[Tensor, " P"],
    rejected_rewards: Float[Tensor, " P"],
    *,
    centre: FromZero = 0.0,
) -> Loss:
    """-log of the probability that chosen beats rejected (Bradley and Terry 1952).

        -log sigmoid(r_c - r_r) + centre (r_c + r_r)^2

    Only differences of rewards are determined; a little of `centre` (0.01 in Eisenstein et al.
    2023) keeps their mean at 0. Summed and counted over pairs. Before the first step it is log 2
    where the reward head begins at zero.
    """
    losses = F.softplus(rejected_rewards - chosen_rewards)
    losses = losses + centre * (chosen_rewards + rejected_rewards) ** 2
    return Loss(losses.sum(), len(losses), reward_metrics(chosen_rewards, rejected_rewards))
