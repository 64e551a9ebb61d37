"""A recipe's parameters and tokens, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoConfig

from haiga.errors import RecipeError
from haiga.models import known
from haiga.pipeline.run import FRESH, checkpoint
from haiga.planning.parameters import Plan, StageShape
from haiga.planning.parameters import plan as count
from haiga.recipe.schema import Recipe


def plan(recipe: Recipe) -> Plan:
    """Count the assembled model and what each of its stages trains.

    Raises:
        RecipeError: the recipe trains its parts from nothing, so that there is nothing to assemble.
    """
    if recipe.model.tower == FRESH:
        raise RecipeError(
            f"{recipe.name} trains a tower and a language model apart; there is no assembled model "
            "to plan. Plan a recipe whose stages are of the part 'vlm'."
        )
    return count(
        _config(recipe.model.tower),
        _config(recipe.model.language_model),
        {
            name: StageShape(
                adapter=stage.adapter.model_dump() if stage.adapter else None,
                trainable=stage.trainable,
            )
            for name, stage in recipe.stage.items()
            if stage.part == "vlm"
        },
    )


def _config(name: str) -> Any:
    place = checkpoint(name)
    return AutoConfig.from_pretrained(place) if isinstance(place, Path) else known.config(place)
