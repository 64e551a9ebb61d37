"""A stage of a recipe, from its section to a model folder with a manifest.

Several ranks share every batch, and the first of them alone writes.

stages/<name>/model/          adapter and projector, or a whole checkpoint
stages/<name>/resume/         state to go on from; removed when the stage is done
stages/<name>/events.jsonl    everything that happened
stages/<name>/manifest.json   written last
"""

from __future__ import annotations

import functools
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from haiga import events
from haiga.errors import DataError
from haiga.models.device import ranks
from haiga.models.trainable import parameter_groups, rule_counts
from haiga.objectives import OBJECTIVES, Objective
from haiga.recipe.bind import bind
from haiga.recipe.schema import Stage
from haiga.training.loop import fit
from haiga.training.order import batch_indices, share, split, steps_per_epoch
from haiga.training.parts import PARTS, Job, Material
from haiga.training.settings import Hooks, Settings, silent


def train_stage(name: str, material: Material, folder: Path) -> None:
    """Train one stage and save its model.

    Raises:
        DataError: no group of the stage's tasks, or none that fits its token limit.
        TrainingError: a guard stopped it.
    """
    stage, first = material.stage, ranks().is_main_process
    log: events.Sink = silent
    if first:
        log = events.fan_out(events.to_jsonl(folder / "events.jsonl"), material.emit)
    material = replace(material, emit=log)
    job = PARTS[stage.part](material)
    parameters = parameter_groups(job.model, stage.trainable)
    _rows(name, material, job)
    fit(
        job.model,
        parameters,
        _objective(name, stage),
        functools.partial(_batches, job, stage, material.seed),
        settings_of(stage, len(job.train), material.seed),
        folder=folder,
        hooks=Hooks(
            emit=log,
            validation=functools.partial(_held, job, stage) if job.validation else None,
            sample=job.sample if job.validation else None,
            first=job.first,
        ),
    )
    job.model.eval()
    if first:
        job.save(folder / "model")
        shutil.rmtree(folder / "resume", ignore_errors=True)


def _rows(name: str, material: Material, job: Job) -> None:
    """Say which rows take part, and refuse to train on none."""
    stage = material.stage
    for row, reason in job.dropped.items():
        material.emit({"kind": "dropped", "row": row, "reason": reason})
    if not job.train:
        raise DataError(
            f"stage.{name}: no group of the tasks {', '.join(stage.tasks)} is left to train on "
            f"({len(material.train)} in 04_final, {len(job.dropped)} over max_tokens = "
            f"{stage.max_tokens})."
        )
    rules = [list(each) for each in rule_counts(job.model, stage.trainable)]
    counts = {"groups": len(job.train), "dropped": len(job.dropped), "rules": rules}
    material.emit({"kind": "rows", **counts})


def _objective(name: str, stage: Stage) -> Objective:
    """The stage's objective, its options filled in."""
    functions = {key: each.function for key, each in OBJECTIVES.items()}
    bound = bind(functions, stage.objective, f"stage.{name}.objective")
    return replace(OBJECTIVES[stage.objective["name"]], function=bound)


def settings_of(stage: Stage, rows: int, seed: int) -> Settings:
    """The loop's settings for a stage with this many rows to train on."""
    steps = stage.steps or math.ceil((stage.epochs or 1) * steps_per_epoch(rows, stage.batch))
    return Settings(
        steps=steps,
        seed=seed,
        dtype=stage.dtype,
        warmup_share=stage.warmup,
        floor=stage.min_lr,
        weight_decay=stage.weight_decay,
        betas=(0.9, stage.beta2),
        max_grad_norm=stage.clip,
        gradient_checkpointing=stage.checkpointing,
        validate_every=stage.validate_every or math.ceil(steps / 8),
        sample_every=stage.sample_every or math.ceil(steps / 4),
        checkpoint_every=stage.save_every or math.ceil(steps / 8),
    )


def _batches(job: Job, stage: Stage, seed: int, step: int) -> list[Any]:
    """This rank's micro-batches of a step."""
    own = _share(batch_indices(len(job.train), stage.batch, step, seed))
    parts = split([job.train[at] for at in own], stage.micro_batch or stage.batch)
    return [job.collate(part, step) for part in parts]


def _held(job: Job, stage: Stage) -> list[Any]:
    """This rank's micro-batches of the held-out rows.

    Cut before they are shared: an objective over a whole batch then has the value that one rank
    gives it.
    """
    parts = _share(split(job.validation, stage.micro_batch or stage.batch))
    return [job.collate(part, -1) for part in parts]


def _share(items: Sequence[Any]) -> Sequence[Any]:
    return share(items, ranks().process_index, ranks().num_processes)
