"""The audit of a run's pairs, before training: for each stage that compares answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from haiga import store
from haiga.errors import DataError, RecipeError
from haiga.pipeline.judging import judged
from haiga.pipeline.models import groups_of
from haiga.pipeline.run import Run
from haiga.recipe.schema import Recipe, Stage
from haiga.store.files import read_json, write_json
from haiga.teachers.opened import made_of
from haiga.training.preferences import limited, two_sided

VERSION: Final = 1
"""Of what is measured, and of the rule."""
MOST: Final = 2000
"""Pairs that are looked at; more would make no interval narrower that matters."""
Found: TypeAlias = dict[str, Any]


def comparing(recipe: Recipe) -> list[str]:
    """The stages that hold chosen answers against rejected ones, in order."""
    return [name for name, stage in recipe.stage.items() if stage.rejected is not None]


def look(run: Run) -> dict[str, Found]:
    """Stage -> what its pairs are, see `evaluation.audit`; kept in audit.json.

    Looked at are the pairs of the training split, `MOST` at most, as the stage will see them. What
    is known of the same pairs is not measured again. Nothing where no stage compares answers.

    Raises:
        DataError: a stage finds no pair, or most of them could not be judged.
        BudgetError: the judge could cost too much.
    """
    names = comparing(run.recipe)
    path = run.folder / "audit.json"
    before = read_audit(run)
    known = {each["key"]: each for each in before.values()}
    found: dict[str, Found] = {}
    for name in names:
        key = _key(run, run.recipe.stage[name])
        if key not in known:
            known[key] = {"key": key, **_audited(run, name)}
            run.emit({"kind": "note", "stage": f"audit:{name}", "text": known[key]["verdict"]})
        found[name] = known[key]
    if found != before:
        write_json(path, found)
    return found


def require(run: Run) -> dict[str, Found]:
    """`look`, of a recipe that must have pairs.

    Raises:
        RecipeError: no stage compares answers.
    """
    if not comparing(run.recipe):
        raise RecipeError(
            "audit: no stage compares answers, so there are no pairs to look at. A stage has some "
            'if it says where rejected answers come from: rejected = "given", another task, …'
        )
    return look(run)


def read_audit(run: Run) -> dict[str, Found]:
    """What the last audit found, nothing where there was none."""
    return read_json(run.folder / "audit.json") or {}


def _key(run: Run, stage: Stage) -> str:
    """What the pairs of a stage depend on: two stages of the same pairs are looked at once."""
    section = run.recipe.audit
    judge = [made_of(section.judge), section.pairs] if section.judge is not None else []
    made = [stage.rejected, list(stage.tasks), stage.pictures, stage.answers, run.recipe.seed]
    return store.fingerprint([VERSION, run.data("04_final").fingerprint(), *made, *judge])


def _audited(run: Run, name: str) -> Found:
    from haiga.evaluation.audit import audit as look  # scikit-learn
    from haiga.evaluation.audit import flips, pairs_of
    from haiga.evaluation.verdict import grounding, verdict

    stage = run.recipe.stage[name]
    assert stage.rejected is not None, "asked for where a stage compares answers"
    groups, dropped = two_sided(
        groups_of(run.data("04_final"), "train", stage),
        stage.rejected,
        stage.tasks,
        run.recipe.seed,
    )
    pairs = pairs_of([limited(group, stage.answers) for group in groups])
    if not pairs:
        raise DataError(
            f"stage.{name}: there is no pair to look at. {_first(dropped)}"
            f"{len(dropped)} groups have no two sides."
        )
    looked = [pairs[at] for at in _drawn(len(pairs), run.recipe.seed)]
    found: Found = {
        "rejected": stage.rejected,
        "of": len(pairs),
        "left_out": dict(Counter(dropped.values())),
        **look(looked, seed=run.recipe.seed),
        "taught": flips(_notes(run, stage.tasks)),
        "judged": judged(run, looked),
    }
    return {**found, "grounding": grounding(found), "verdict": verdict(found)}


def _first(dropped: Mapping[str, str]) -> str:
    return next((f"{row}: {reason}. " for row, reason in dropped.items()), "")


def _drawn(count: int, seed: int) -> list[int]:
    """Places of at most `MOST` pairs, in order."""
    if count <= MOST:
        return list(range(count))
    return sorted(np.random.default_rng([seed, 0xA0D]).permutation(count)[:MOST].tolist())


def _notes(run: Run, tasks: Sequence[str]) -> list[dict[str, Any]]:
    """What the teacher's exchanges said of texts of `tasks`, where data were made here."""
    folder = run.data("02_captioned")
    if folder.manifest() is None:
        return []
    return [
        note
        for row in folder.rows()
        for note in json.loads(row.get("exchanges") or "[]")
        if note["task"] in tasks
    ]
