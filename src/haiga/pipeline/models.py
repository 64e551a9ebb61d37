"""The base of a run, its critics, and its stages in order; what is complete is not touched."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from haiga import rewards, store
from haiga.events import Event, Sink
from haiga.models.adapters import save_base
from haiga.models.assemble import assemble
from haiga.models.device import ranks
from haiga.pipeline import hours
from haiga.pipeline.critics import make_critics
from haiga.pipeline.learned import resolved
from haiga.pipeline.learning import is_reward_model
from haiga.pipeline.run import FRESH, Run, checkpoint
from haiga.pipeline.standing import of_base, of_stage
from haiga.recipe.schema import Stage
from haiga.records import Group, with_strangers, without_pictures
from haiga.serving.opened import mark
from haiga.training import preferences
from haiga.training.parts import Material
from haiga.training.run import train_stage
from haiga.training.settings import DTYPES
from haiga.world import base as world_base

_TOKENIZER_TEXTS = 20_000
_BEAT = 5.0
"""Seconds of work that a kill may leave uncounted."""


def prepare(run: Run) -> None:
    """What stages need beside the data: the base that they start from, and critics that reward."""
    make_base(run)
    make_critics(run)


def make_base(run: Run) -> None:
    """Assemble the VLM that the stages start from, or the fresh parts that they train."""
    section = run.recipe.model
    plan = of_base(run)
    if store.is_complete(*plan, rebuild=run.rebuild):
        return
    began = time.monotonic() - store.begin(*plan)
    if section.tower == FRESH:
        texts = _texts(store.read_groups(run.data("04_final").path, "train"))
        world_base.create(run.base, texts, seed=run.recipe.seed)
    elif section.language_model == FRESH:
        with TemporaryDirectory() as decoder:
            world_base.create_decoder(Path(decoder), seed=run.recipe.seed)
            _assemble(run, Path(decoder))
    else:
        _assemble(run, checkpoint(section.language_model))
    store.complete(*plan, seconds=time.monotonic() - began)


def _assemble(run: Run, language_model: str | Path) -> None:
    section = run.recipe.model
    vlm = assemble(
        checkpoint(section.tower),
        language_model,
        design=section.design,
        image_token=section.image_token,
        fit=section.fit,
        projector_seed=section.projector_seed,
        dtype=DTYPES[section.dtype],
    )
    save_base(vlm, run.base)


def train(run: Run) -> None:
    """Every stage of the recipe, in order."""
    for name in run.recipe.stage:
        train_one(run, name)


def train_one(run: Run, name: str) -> None:
    """One stage, unless it is complete; goes on from its last step where it was stopped.

    All ranks train it, and the first of them writes.
    """
    plan = of_stage(run, name)
    if store.is_complete(*plan, rebuild=run.rebuild):
        return
    with ranks().main_process_first():
        began = time.monotonic() - store.begin(*plan)
    stage = run.recipe.stage[name]
    final = run.data("04_final")
    material = Material(
        stage=resolved(run, name),
        start=run.start_of(stage),
        train=groups_of(final, "train", stage),
        validation=groups_of(final, "validation", stage),
        pictures=store.FinalPictures(final.path),
        features=run.features,
        references=run.folder / "references",
        seed=run.recipe.seed,
        emit=_timed(lambda event: run.emit({**event, "stage": name}), plan.folder, began),
    )
    said = train_stage(name, material, plan.folder)
    if ranks().is_main_process:
        if stage.part == "vlm" and not is_reward_model(name, stage):
            mark(
                plan.folder, stage.tasks[0], run.recipe.language, control=stage.pictures is not True
            )
        seconds = time.monotonic() - began
        store.complete(*plan, seconds=seconds, notes=[said] if said else [])
        hours.bill(run, name, seconds)
    rewards.forget()
    ranks().wait_for_everyone()


def _timed(emit: Sink, folder: Path, began: float) -> Sink:
    """`emit`, and every few seconds a note of the time since `began`: a kill must not forget it."""
    noted = time.monotonic()

    def sink(event: Event) -> None:
        nonlocal noted
        emit(event)
        now = time.monotonic()
        if now >= noted + _BEAT:
            store.spend(folder, now - began)
            noted = now

    return sink


def groups_of(final: store.Folder, split: str, stage: Stage) -> list[Group]:
    """What a stage reads of a split: its tasks', and those whose answers it is to leave."""
    tasks = list(stage.tasks)
    if stage.rejected not in (None, *preferences.OWN):
        tasks.append(str(stage.rejected))
    groups = store.read_groups(final.path, split, tasks)
    if stage.pictures == "shuffled":
        return with_strangers(groups)
    return groups if stage.pictures else [without_pictures(group) for group in groups]


def _texts(groups: Sequence[Group]) -> Iterator[str]:
    """Texts from all over the set: its pictures come first, and in one language."""
    for group in groups[:: max(1, len(groups) // _TOKENIZER_TEXTS)]:
        yield from (message.text for message in group.prompt)
        yield from (answer.text for answer in group.answers)
