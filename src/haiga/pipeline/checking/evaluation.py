"""The conditions and the benchmarks of a recipe."""

from __future__ import annotations

from collections.abc import Iterator

from haiga.evaluation.conditions import CONDITIONS
from haiga.recipe.names import did_you_mean
from haiga.recipe.schema import Recipe


def faults(recipe: Recipe) -> Iterator[str]:
    """Conditions that there are not, and benchmarks that cannot be read."""
    for condition in recipe.evaluate.conditions:
        if condition not in CONDITIONS:
            near = did_you_mean(condition, list(CONDITIONS))
            yield f"evaluate.conditions: there is no condition {condition!r}{near}"
    if recipe.evaluate.benchmarks:
        # Here, because it brings transformers with it, which takes seconds.
        from haiga.pipeline import benchmarks

        yield from benchmarks.faults(recipe)
