"""What the stages of a run are asked at the end: held-out groups, as items."""

from __future__ import annotations

from haiga import store
from haiga.evaluation.conditions import Item, item_from
from haiga.pipeline import learning
from haiga.pipeline.run import Run
from haiga.records import Group

_DESCRIBED = 400
"""Held-out descriptions that a language model alone is asked about."""


def questions(run: Run) -> list[Group]:
    """The held-out groups that are asked: with pictures, or described where there are no eyes."""
    tasks = run.recipe.evaluate.tasks or learning.last_tasks(run.recipe)
    groups = store.read_groups(run.data("04_final").path, "held_out", tasks)
    if "vlm" not in {stage.part for stage in run.recipe.stage.values()}:
        described = [group for group in groups if group.meta.get("description")]
        return described[:_DESCRIBED]
    return [group for group in groups if group.pictures]


def items_of(run: Run) -> list[Item]:
    """The same as items."""
    return [item_from(group) for group in questions(run)]


def answering_names(run: Run) -> list[str]:
    """The stages that answer, in order."""
    return learning.answering(run.recipe)
