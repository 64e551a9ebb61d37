"""The two checkpoints of a recipe, by their names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from haiga.pipeline.checking.said import said
from haiga.pipeline.run import FRESH, checkpoint
from haiga.recipe.schema import Recipe


def faults(recipe: Recipe) -> Iterator[str | None]:
    """Checkpoints that there are not, and fresh ones that are not two."""
    section = recipe.model
    names = {"model.tower": section.tower, "model.language_model": section.language_model}
    decoder = section.design != "llava" and section.tower != FRESH
    if FRESH in names.values() and len(set(names.values())) > 1 and not decoder:
        yield f"model: {FRESH!r} makes both models; give it as tower and as language_model"
    for path, name in names.items():
        if name != FRESH:
            yield said(partial(checkpoint, name), path)
