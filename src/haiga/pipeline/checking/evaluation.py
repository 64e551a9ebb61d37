"""The conditions and the benchmarks of a recipe."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from haiga.evaluation.conditions import CONDITIONS
from haiga.pipeline.checking.said import said
from haiga.pipeline.run import checkpoint
from haiga.recipe.names import did_you_mean
from haiga.recipe.schema import Recipe


def faults(recipe: Recipe) -> Iterator[str]:
    """Conditions that there are not, and benchmarks that cannot be read."""
    judges = {"judge.": recipe.evaluate.judge, "claims.": recipe.evaluate.claims}
    for path, section in {"": recipe.evaluate, **judges}.items():
        for condition in section.conditions if section is not None else ():
            if condition not in CONDITIONS:
                near = did_you_mean(condition, list(CONDITIONS))
                yield f"evaluate.{path}conditions: there is no condition {condition!r}{near}"
    if recipe.evaluate.encoder:
        fault = said(partial(checkpoint, recipe.evaluate.encoder), "evaluate.encoder")
        yield from () if fault is None else (fault,)
    best = recipe.evaluate.best_of
    if "best_of" in recipe.evaluate.conditions:
        yield "evaluate.conditions: best_of has a section of its own, [evaluate.best_of]"
    if best is not None and (best.by == "similarity") != bool(best.encoder):
        yield (
            "evaluate.best_of.encoder: similarity needs one, a CLIP or SigLIP ('world:tower' for "
            "the floating world), and dependence has no use for it"
        )
    if recipe.evaluate.benchmarks:
        # Here, because it brings transformers with it, which takes seconds.
        from haiga.pipeline import benchmarks

        yield from benchmarks.faults(recipe)
