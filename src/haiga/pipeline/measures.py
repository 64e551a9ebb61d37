"""What is measured beside the checks, in answers that are there: one file of `evaluation/` each."""

from __future__ import annotations

from typing import Any, Final

from haiga.evaluation import hallucination
from haiga.evaluation.conditions import Item
from haiga.pipeline.run import Run
from haiga.store.files import read_json

FILES: Final = ("hallucination",)
"""In the order in which the report shows them."""


def evaluate(run: Run, items: list[Item]) -> None:
    """Measure what the stages have written to `items`, and write what was found."""
    folder = run.folder / "evaluation"
    hallucination.evaluate(items, folder, seed=run.recipe.seed)


def read(run: Run) -> dict[str, Any]:
    """Name of a measure -> what was found, of those that there are."""
    found = {name: read_json(run.folder / "evaluation" / f"{name}.json") for name in FILES}
    return {name: each for name, each in found.items() if each is not None}
