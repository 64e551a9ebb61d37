"""The answers of a run as they come before a judge, or before people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from haiga import store
from haiga.evaluation.conditions import Item
from haiga.evaluation.rating.hearing import Hearing, Settings
from haiga.evaluation.rating.rubric import Bench
from haiga.evaluation.run import Asked, read_answers
from haiga.pipeline.questions import answering_names, items_of
from haiga.pipeline.run import Run
from haiga.recipe.schema import Claims, Judge
from haiga.teachers import VERSIONS
from haiga.teachers.opened import made_of


def hearing_of(run: Run, items: Sequence[Item], asked: Asked) -> Hearing:
    """The answers as they come before the judge, or before people where the recipe has none."""
    section = run.recipe.evaluate.judge or Judge(teacher={"name": "witness"})
    return _hearing(run, section, items, asked)


def _hearing(run: Run, section: Judge, items: Sequence[Item], asked: Asked) -> Hearing:
    seeing = [at for at, item in enumerate(items) if item.pictures]
    drawn = np.random.default_rng([run.recipe.seed, 0x1D9E]).permutation(seeing)[: section.items]
    chosen = sorted(drawn.tolist())
    judged = [items[at] for at in chosen]
    pictures = store.FinalPictures(run.data("04_final").path)
    ids = {picture.id for item in judged for picture in item.pictures}
    conditions = {"full", *section.conditions}
    return Hearing(
        Bench(_made_of(section), {each: pictures[each] for each in sorted(ids)}),
        judged,
        {
            stage: {
                name: [answers[at] for at in chosen]
                for name, answers in by_condition.items()
                if name in conditions
            }
            for stage, by_condition in asked.items()
        },
        {stage: start for stage in asked if (start := run.recipe.stage[stage].starts_from)},
        Settings(section.repeats, section.controls, section.against),
        run.recipe.seed,
    )


def _made_of(section: Judge) -> dict[str, Any]:
    return {**made_of(section.teacher), **VERSIONS.get(section.teacher["name"], {})}


def expected(run: Run, section: Judge | Claims, items: Sequence[Item]) -> Asked:
    """The answers that are there, and the references where there are none."""
    there = read_answers(run.folder / "evaluation")
    asked: dict[str, dict[str, list[str]]] = {}
    for stage in answering_names(run):
        asked[stage] = {}
        seeing = run.recipe.stage[stage].pictures
        for condition in ("full", *section.conditions) if seeing else ("blind",):
            rows = there.get(stage, {}).get(condition, [])
            known = {row["id"]: row["answer"] for row in rows}
            # Told apart: equal answers would be one question.
            asked[stage][condition] = [
                known.get(item.id, f"{item.reference} {stage} {condition}") for item in items
            ]
    return asked


def read_texts(run: Run) -> Asked:
    """stage -> condition -> the answers to all held-out items; cells with all of them only."""
    items, found = items_of(run), dict[str, dict[str, list[str]]]()
    there = read_answers(run.folder / "evaluation")
    for stage in answering_names(run):
        for condition, rows in there.get(stage, {}).items():
            known = {row["id"]: row["answer"] for row in rows}
            if all(item.id in known for item in items):
                own = found.setdefault(stage, {})
                own[condition] = [known[item.id] for item in items]
    return found
