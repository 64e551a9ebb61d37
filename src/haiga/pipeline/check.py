"""What would go wrong, before anything is spent.

Every component is bound, every task has its instruction, and models are put together on paper,
without their weights. Nothing is run, and nothing comes from a network. How the sections of a
recipe fit together is checked when it is read (`recipe.checks`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from haiga.errors import RecipeError
from haiga.pipeline import judge_terms, judging
from haiga.pipeline.checking import data, evaluation, models, paper, stages
from haiga.recipe.schema import Recipe

CHECKS: Final[tuple[Callable[[Recipe], Iterator[str | None]], ...]] = (
    data.faults,
    judging.faults,
    judge_terms.faults,
    models.faults,
    stages.faults,
    evaluation.faults,
)
"""What can be known of a recipe's sections one by one. A check is a function of a recipe that says
what is wrong, each fault after its path; None is no fault."""
TOGETHER: Final[tuple[Callable[[Recipe], Iterator[str | None]], ...]] = (paper.faults,)
"""What can be known once those find nothing."""


def check(recipe: Recipe) -> list[str]:
    """Notes on a recipe that can be run.

    Raises:
        RecipeError: all faults together, each with its path.
    """
    for checks in (CHECKS, TOGETHER):
        faults = [fault for each in checks for fault in each(recipe) if fault]
        if faults:
            raise RecipeError("\n".join(faults))
    # Here, because it brings transformers with it, which takes seconds.
    from haiga.pipeline.notes import notes

    return list(notes(recipe))
