"""Held-out pairs, once a stage has learned from pairs like them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from haiga import store
from haiga.evaluation import preferences
from haiga.evaluation.preferences import Likely
from haiga.events import Event
from haiga.pipeline import learning
from haiga.pipeline.models import groups_of
from haiga.pipeline.run import Run
from haiga.recipe.schema import Recipe, Stage
from haiga.records import Group
from haiga.training.likelihood import of_held_out
from haiga.training.parts import Material
from haiga.training.preferences import limited, two_sided

_Known: TypeAlias = dict[tuple[object, ...], dict[str, Likely]]


def learning_from_pairs(recipe: Recipe) -> list[str]:
    """The stages that write and have learned from chosen and rejected answers, in order."""
    return [
        name
        for name in learning.answering(recipe)
        if recipe.stage[name].part == "vlm" and recipe.stage[name].rejected is not None
    ]


def evaluate(run: Run) -> None:
    """What each of these stages does to the held-out pairs of the kind that it was trained on.

    A stage that was judged under the same weights is not judged again. One whose kind of pairs is
    not among the held-out groups cannot be, and says so.
    """
    folder = run.folder / "evaluation"
    before = preferences.read(folder)
    known: _Known = {}  # of starts, which several stages share
    for name in learning_from_pairs(run.recipe):
        key = store.require_manifest(run.stage(name)).fingerprint
        if before.get(name, {}).get("key") == key:
            continue
        stage = run.recipe.stage[name]
        groups = _pairs(run, stage)
        if not groups:
            text = "no held-out group has a chosen and a rejected answer: not judged by pairs"
            run.emit({"kind": "note", "stage": name, "text": text})
            continue
        start = (stage.starts_from, *_kind(stage))
        if start not in known:
            known[start] = _said(run, name, run.start_of(stage), groups)
        now = _said(run, name, run.stage(name) / "model", groups)
        preferences.judge(name, key, groups, now, known[start], folder, seed=run.recipe.seed)


def _kind(stage: Stage) -> tuple[object, ...]:
    """All that a stage's section decides about its held-out pairs, and about who of them fits."""
    return stage.tasks, stage.rejected, stage.answers, stage.pictures, stage.max_tokens


def _pairs(run: Run, stage: Stage) -> list[Group]:
    groups = groups_of(run.data("04_final"), "held_out", stage)
    made, _ = two_sided(groups, str(stage.rejected), stage.tasks, run.recipe.seed)
    return [limited(group, stage.answers) for group in made]


def _said(run: Run, name: str, model: Path, groups: list[Group]) -> dict[str, Likely]:
    """How likely the model in a folder makes the answers of `groups`."""

    def emit(event: Event) -> None:
        if event["kind"] == "progress":
            run.emit({**event, "stage": f"pairs:{name}"})

    material = Material(
        # What does not fit is left out, and counted: a held-out row must not stop an evaluation.
        stage=run.recipe.stage[name].model_copy(update={"overflow": "drop"}),
        start=model,
        train=(),
        validation=groups,
        pictures=store.FinalPictures(run.data("04_final").path),
        features=run.folder / "features",
        references=run.folder / "references",
        seed=run.recipe.seed,
        emit=emit,
    )
    return {id_: Likely(*said) for id_, said in of_held_out(material).items()}
