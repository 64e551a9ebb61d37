"""What only the models can tell: whether they fit together, and the rules on them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from haiga.evaluation.conditions import CONDITIONS, Item
from haiga.pipeline.checking.said import said
from haiga.pipeline.run import FRESH
from haiga.recipe.checks import CHAT
from haiga.recipe.schema import Recipe
from haiga.records import user
from haiga.teachers.tasks import instructions


def faults(recipe: Recipe) -> Iterator[str | None]:
    """Of a recipe that is in order by itself: the first kind that there is."""
    # Here, because they bring transformers with them, which takes seconds.
    from haiga.pipeline import learned, learning
    from haiga.pipeline import plan as paper

    fault = paper.design_fault(recipe.model)
    if fault:
        yield fault
        return
    lacking = [
        fault for name, stage in recipe.stage.items() for fault in learning.faults(name, stage)
    ]
    lacking = [*lacking, *learned.faults(recipe), *_style_faults(recipe)]
    if lacking:
        yield from lacking
        return
    if recipe.model.tower == FRESH:
        for name, stage in recipe.stage.items():
            yield said(partial(paper.fit_fresh, stage), f"stage.{name}.trainable")
        return
    known = not paper.unknown(recipe.model)
    fault = said(partial(paper.plan, recipe, ()), "model") if known else None
    fault = fault or said(partial(paper.read_local, recipe.model), "model")
    yield fault
    if fault is not None or not known:
        return
    for name in recipe.stage:
        yield said(partial(paper.plan, recipe, (name,)), f"stage.{name}")
    yield from _room_faults(recipe, paper.plan(recipe, ()).picture_tokens)


def _style_faults(recipe: Recipe) -> Iterator[str]:
    """That other words can stand in the place of those that ask for the evaluated tasks."""
    from haiga.pipeline import learning

    if recipe.source is None:
        return  # words that somebody else has written
    items = [
        Item(task, (user(instructions(task, recipe.language)[0]),), task=task,
             language=recipe.language)
        for task in recipe.evaluate.tasks or learning.last_tasks(recipe)
        if task != CHAT  # which asks in the source's words
    ]  # fmt: skip
    for name in recipe.evaluate.conditions:
        if CONDITIONS[name].tells == "style":
            fault = said(partial(CONDITIONS[name].transform, items, 0), "evaluate.conditions")
            if fault is not None:
                yield fault


def _room_faults(recipe: Recipe, picture: int) -> Iterator[str]:
    """That a picture, and an answer beside it, have room."""
    from haiga.pipeline import plan as paper

    for name, stage in recipe.stage.items():
        if stage.pictures and stage.max_tokens <= picture:
            yield (
                f"stage.{name}.max_tokens: a picture alone takes {picture}, so that no row would "
                f"be left; it is {stage.max_tokens}"
            )
    room = paper.positions(recipe.model)
    answers = {"evaluate": recipe.evaluate.max_new_tokens}
    for name, stage in recipe.stage.items():
        if stage.rollout is not None:
            answers[f"stage.{name}.rollout"] = stage.rollout.max_new_tokens
    for path, answer in answers.items():
        if room is not None and picture + answer >= room:
            yield (
                f"{path}.max_new_tokens: {answer} and a picture of {picture} do not fit in the "
                f"language model's {room} positions"
            )
