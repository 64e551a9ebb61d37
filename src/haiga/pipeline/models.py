"""The base of a run, and its stages one after another; what is complete is not touched."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from haiga import store
from haiga.models.adapters import save_base
from haiga.models.assemble import assemble
from haiga.pipeline.run import Run, checkpoint
from haiga.recipe.schema import Stage
from haiga.records import Group, without_pictures
from haiga.training.parts import Material
from haiga.training.run import identity, train_stage
from haiga.world import base as world_base

FRESH = "world:fresh"
"""As tower and language model: new weights, of the world's own architecture, for its base recipe."""
_TOKENIZER_TEXTS = 20_000


def make_base(run: Run) -> None:
    """Assemble the VLM that the stages start from, or the fresh parts that they train."""
    section = run.recipe.model
    options = section.model_dump(mode="json", exclude={"max_pictures"})
    fresh = section.tower == FRESH
    parents = {"04_final": run.data("04_final").fingerprint()} if fresh else {}
    if store.is_complete(run.base, "base", options, parents, rebuild=run.rebuild):
        return
    started = time.monotonic()
    if fresh:
        texts = _texts(store.read_groups(run.data("04_final").path, "train"))
        world_base.create(run.base, texts, seed=run.recipe.seed)
    else:
        vlm = assemble(
            checkpoint(section.tower),
            checkpoint(section.language_model),
            image_token=section.image_token,
            fit=section.fit,
            projector_seed=section.projector_seed,
        )
        save_base(vlm, run.base)
    store.complete(run.base, "base", options, parents, seconds=time.monotonic() - started)


def train(run: Run) -> None:
    """Every stage of the recipe, in order."""
    for name in run.recipe.stage:
        train_one(run, name)


def train_one(run: Run, name: str) -> None:
    """One stage, unless it is complete."""
    stage = run.recipe.stage[name]
    folder = run.stage(name)
    final = run.data("04_final")
    start = run.start_of(stage)
    parents = {"04_final": final.fingerprint(), "start": _made(run, stage)}
    options = dict(identity(stage, run.recipe.seed))
    if store.is_complete(folder, "stage", options, parents, rebuild=run.rebuild):
        return
    started = time.monotonic()
    material = Material(
        stage=stage,
        start=start,
        train=_groups(final, "train", stage),
        validation=_groups(final, "validation", stage),
        pictures=store.FinalPictures(final.path),
        features=run.folder / "features",
        seed=run.recipe.seed,
        emit=lambda event: run.emit({**event, "stage": name}),
    )
    train_stage(name, material, folder)
    store.complete(folder, "stage", options, parents, seconds=time.monotonic() - started)


def _groups(final: store.Folder, split: str, stage: Stage) -> list[Group]:
    groups = store.read_groups(final.path, split, stage.tasks)
    return groups if stage.pictures else [without_pictures(group) for group in groups]


def _made(run: Run, stage: Stage) -> str:
    """The fingerprint of what a stage starts from."""
    folder = run.stage(stage.starts_from) if stage.starts_from else run.base
    return store.require_manifest(folder).fingerprint


def _texts(groups: Iterable[Group]) -> Iterator[str]:
    for number, group in enumerate(groups):
        if number >= _TOKENIZER_TEXTS:
            return
        yield from (message.text for message in group.prompt)
        yield from (answer.text for answer in group.answers)
