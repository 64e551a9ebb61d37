"""A stage of a recipe, from its section to a model folder with a manifest.

Several ranks share every batch, and the first of them alone writes.

stages/<name>/model/          adapter and projector, or a whole checkpoint
stages/<name>/resume/         state to go on from; removed when the stage is done
stages/<name>/rollouts/       what a policy wrote and what it was worth
stages/<name>/events.jsonl    everything that happened
stages/<name>/manifest.json   written last
"""

from __future__ import annotations

import functools
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from haiga import events
from haiga.batches.features import cache_key
from haiga.errors import DataError
from haiga.models.device import forget_peak, peak_bytes, ranks
from haiga.models.trainable import parameter_groups, rule_counts
from haiga.objectives import needs
from haiga.objectives.bind import bind_objective
from haiga.recipe.bind import bind
from haiga.recipe.schema import Rollout, Stage, Watch
from haiga.rewards.combine import parts
from haiga.training import cadence, machine, rollout
from haiga.training.advantage import ADVANTAGES
from haiga.training.forward import wanted
from haiga.training.look import looking, watched
from haiga.training.loop import fit
from haiga.training.order import batch_indices, share, split, steps_per_epoch
from haiga.training.parts import PARTS, Job, Material
from haiga.training.preferences import MISMATCHED, one_sided, two_sided, with_mismatched
from haiga.training.references import known_answers, model_key, of_rows, starting_copy
from haiga.training.settings import DTYPES, Hooks, Settings, silent


def train_stage(name: str, material: Material, folder: Path) -> str | None:
    """Train one stage and save its model; says which, where it is not simply the last.

    Raises:
        DataError: no group of the stage's tasks, or none that fits its token limit.
        TrainingError: a guard stopped it, or this machine lacks what it needs.
    """
    stage, first = material.stage, ranks().is_main_process
    machine.require(name, stage)
    forget_peak()
    log: events.Sink = silent
    if first:
        log = events.fan_out(events.to_jsonl(folder / "events.jsonl"), material.emit)
    objective = bind_objective(stage.objective, f"stage.{name}.objective")
    material = replace(material, emit=log, needs=wanted(needs(objective.function)))
    material, unpaired = _sides(material)
    job = PARTS[stage.part](material)
    job = replace(job, dropped={**unpaired, **job.dropped})
    parameters = parameter_groups(job.model, stage.trainable)
    _rows(name, material, job)
    watch = looking(job, material, planned(stage, job.train, job.validation)[0])
    if "ref_answer_logps" in material.needs:
        job = _with_references(job, material)
    batches: Callable[[int], Sequence[Any]]
    if stage.rollout is None:
        batches = functools.partial(_batches, job, stage, material.seed)
    else:
        batches = rollout.batches(_policy(name, job, material, stage.rollout, folder))
    said = fit(
        job.model,
        parameters,
        objective,
        batches,
        settings_of(stage, job.train, job.validation, material.seed),
        folder=folder,
        hooks=Hooks(
            emit=log,
            validation=_validation(job, stage),
            sample=job.sample if job.validation and (stage.sample_every or not watch) else None,
            first=job.first,
            watch=watch,
        ),
    )
    job.model.eval()
    if (peak := peak_bytes()) is not None:
        log({"kind": "memory", "peak_bytes": peak})
    if first:
        job.save(folder / "model")
        shutil.rmtree(folder / "resume", ignore_errors=True)
    return said


def _rows(name: str, material: Material, job: Job) -> None:
    """Say which rows take part, and refuse to train on none."""
    stage = material.stage
    for row, reason in job.dropped.items():
        material.emit({"kind": "dropped", "row": row, "reason": reason})
    if job.dropped:
        row, reason = next(iter(job.dropped.items()))
        text = (
            f"{len(job.dropped)} rows or answers do not take part, each named in events.jsonl; "
            f"the first, {row}: {reason}"
        )
        material.emit({"kind": "note", "text": text})
    if not job.train:
        raise DataError(
            f"stage.{name}: no group of the tasks {', '.join(stage.tasks)} is left to train on "
            f"({len(material.train)} had answers of the kinds that it needs; max_tokens = "
            f"{stage.max_tokens}); each that was dropped is named in events.jsonl."
        )
    rules = [list(each) for each in rule_counts(job.model, stage.trainable)]
    counts = {"groups": len(job.train), "dropped": len(job.dropped), "rules": rules}
    material.emit({"kind": "rows", **counts})


def _sides(material: Material) -> tuple[Material, dict[str, str]]:
    """The groups with rejected and mismatched answers, where the stage asks for them."""
    stage = material.stage
    train, held = list(material.train), list(material.validation)
    if stage.rejected is not None:
        train, dropped = two_sided(train, stage.rejected, stage.tasks, material.seed)
        held, left = two_sided(held, stage.rejected, stage.tasks, material.seed)
    else:
        train, dropped = one_sided(train)
        held, left = one_sided(held)
    if stage.mismatched:
        train, held = (with_mismatched(groups, material.seed) for groups in (train, held))
        # A validation may meet them by themselves, and KTO then has no reference point.
        alone = [each.id for each in held if all(a.kind != MISMATCHED for a in each.answers)]
        held = [each for each in held if each.id not in alone]
        left |= dict.fromkeys(alone, "no other held-out picture has an answer to compare it with")
    return replace(material, train=train, validation=held), {**dropped, **left}


def _with_references(job: Job, material: Material) -> Job:
    """The job whose batches carry what the starting model says of their answers."""
    stage = material.stage
    rows = [*job.train, *job.validation]
    eyes = cache_key(job.vlm) if job.vlm else ""
    bits = stage.adapter.quantised if stage.adapter else None
    how = f"{stage.dtype} {bits.model_dump_json()}" if bits else stage.dtype
    file = material.references / f"{model_key(job.model, how, eyes)}.jsonl"
    with ranks().main_process_first():
        known = known_answers(
            job.model,
            rows,
            lambda part: job.collate(part, -1),
            file,
            batch=stage.micro_batch or stage.batch,
            dtype=DTYPES[stage.dtype],
            progress=lambda done, total: material.emit(
                {"kind": "progress", "stage": "references", "done": done, "total": total}
            ),
        )

    def collate(part: Sequence[Any], step: int) -> Any:
        return replace(job.collate(part, step), ref_answer_logps=of_rows(known, part))

    return replace(job, collate=collate)


def _policy(name: str, job: Job, material: Material, how: Rollout, folder: Path) -> rollout.Policy:
    """What rolls out in this stage."""
    assert job.vlm is not None, "the recipe's checks let a VLM alone roll out"
    stage, path = material.stage, f"stage.{name}.rollout"
    return rollout.Policy(
        vlm=job.vlm,
        rows=job.train,
        groups={group.id: group for group in material.train},
        collate=lambda rows: job.collate(rows, -1),
        pictures=material.pictures,
        parts=parts([dict(each) for each in how.rewards], f"{path}.rewards"),
        worth=bind(ADVANTAGES, how.advantage, f"{path}.advantage"),
        needs=material.needs,
        settings=how,
        start=starting_copy(job.model) if rollout.compared(how, material.needs) else {},
        dtype=DTYPES[stage.dtype],
        folder=folder / "rollouts",
        batch=stage.batch,
        micro=stage.micro_batch or stage.batch,
        seed=material.seed,
        emit=material.emit,
    )


def settings_of(stage: Stage, train: Sequence[Any], held: Sequence[Any], seed: int) -> Settings:
    """The loop's settings for a stage that learns from `train` and may be looked at on `held`."""
    steps = _steps(stage, train)
    return Settings(
        steps=steps,
        seed=seed,
        dtype=stage.dtype,
        warmup_share=stage.warmup,
        floor=stage.min_lr,
        weight_decay=stage.weight_decay,
        betas=(0.9, stage.beta2),
        max_grad_norm=stage.clip,
        optimiser=stage.optimiser,
        gradient_checkpointing=stage.checkpointing,
        validate_every=stage.validate_every or cadence.validations_apart(stage, held, steps),
        sample_every=stage.sample_every or math.ceil(steps / 4),
        checkpoint_every=stage.save_every or math.ceil(steps / 8),
        **_looks(watched(stage), planned(stage, train, held)[1]),
    )


def _looks(section: Watch | None, every: int) -> dict[str, Any]:
    """The settings by which a stage is watched."""
    if section is None or not every:
        return {}
    return {"watch_every": every, "watch_stops": section.stop, "keep": section.keep}


def _steps(stage: Stage, train: Sequence[Any]) -> int:
    updates = 1 if stage.rollout is None else stage.rollout.epochs * stage.rollout.minibatches
    passes = math.ceil((stage.epochs or 1) * steps_per_epoch(len(train), stage.batch))
    return stage.steps or passes * updates


def planned(stage: Stage, train: Sequence[Any], held: Sequence[Any]) -> tuple[Sequence[Any], int]:
    """The held-out rows that a stage is looked at by, and the steps from look to look: none and 0
    where nobody watches."""
    section = watched(stage)
    if section is None or not held:
        return [], 0
    return cadence.looks(stage, section, held, train, _steps(stage, train))


def _batches(job: Job, stage: Stage, seed: int, step: int) -> list[Any]:
    """This rank's micro-batches of a step."""
    own = _share(batch_indices(len(job.train), stage.batch, step, seed))
    micro = split([job.train[at] for at in own], stage.micro_batch or stage.batch)
    return [job.collate(part, step) for part in micro]


def _validation(job: Job, stage: Stage) -> Callable[[], list[Any]] | None:
    """Held-out rows have no samples to learn from: a policy is watched by what it writes."""
    if not job.validation or stage.rollout is not None:
        return None
    return functools.partial(_held, job, stage)


def _held(job: Job, stage: Stage) -> list[Any]:
    """This rank's micro-batches of the held-out rows.

    Cut before they are shared: an objective over a whole batch then has the value that one rank
    gives it.
    """
    micro = _share(split(job.validation, stage.micro_batch or stage.batch))
    return [job.collate(part, -1) for part in micro]


def _share(items: Sequence[Any]) -> Sequence[Any]:
    return share(items, ranks().process_index, ranks().num_processes)
