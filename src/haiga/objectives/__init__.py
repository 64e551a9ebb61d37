"""Objectives: pure functions from named tensors to sums, and the table that lists them."""

import math
from functools import partial

from haiga.objectives.base import Loss, Metric, Objective, needs
from haiga.objectives.bradley_terry import bradley_terry
from haiga.objectives.contrastive import clip, siglip, siglip_patches
from haiga.objectives.cross_entropy import cross_entropy
from haiga.objectives.kto import kto, value_at_start
from haiga.objectives.policy import kl, ppo, reinforce, rloo, value
from haiga.objectives.preference import (
    apo_down,
    apo_zero,
    bco,
    dpo,
    dpo_hinge,
    dpo_norm,
    dpo_robust,
    ipo,
)
from haiga.objectives.reference_free import nll, orpo, simpo

OBJECTIVES: dict[str, Objective] = {
    "cross_entropy": Objective(cross_entropy),
    "siglip": Objective(siglip, additive=False),
    "siglip_patches": Objective(siglip_patches, additive=False),
    "clip": Objective(clip, additive=False),
    "dpo": Objective(dpo, at_start=math.log(2)),
    "dpo_robust": Objective(dpo_robust, at_start=math.log(2)),
    "dpo_hinge": Objective(dpo_hinge, at_start=1.0),
    "dpo_norm": Objective(dpo_norm, at_start=math.log(2)),
    "ipo": Objective(ipo, at_start=lambda beta: 1 / (4 * beta**2)),
    "bco": Objective(bco, at_start=2 * math.log(2)),
    "apo_zero": Objective(apo_zero, at_start=1.0),
    "apo_down": Objective(apo_down, at_start=1.0),
    "orpo": Objective(orpo),
    "simpo": Objective(simpo),
    "nll": Objective(nll),
    "kto": Objective(
        kto,
        at_start=value_at_start,
        zero_at_start=("chosen_rewards", "rejected_rewards"),
        additive=False,
    ),
    "bradley_terry": Objective(bradley_terry),
    "reinforce": Objective(reinforce),
    "rloo": Objective(rloo),
    "ppo": Objective(ppo),
    "grpo": Objective(partial(ppo, average="sequence")),
    "kl": Objective(kl),
    "value": Objective(value),
}

__all__ = ["OBJECTIVES", "Loss", "Metric", "Objective", "needs"]
