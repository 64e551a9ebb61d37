"""Objectives: pure functions from named tensors to sums, and the table that lists them."""

from haiga.objectives.base import Loss, Metric, Objective
from haiga.objectives.contrastive import clip, siglip, siglip_patches
from haiga.objectives.cross_entropy import cross_entropy

OBJECTIVES: dict[str, Objective] = {
    "cross_entropy": Objective(cross_entropy),
    "siglip": Objective(siglip, additive=False),
    "siglip_patches": Objective(siglip_patches, additive=False),
    "clip": Objective(clip, additive=False),
}

__all__ = ["OBJECTIVES", "Loss", "Metric", "Objective"]
