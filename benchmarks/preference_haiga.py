"""haiga's side of `preference_step.py`: a stage as `training.run` trains it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from group_forward import resident
from peft import set_peft_model_state_dict
from preference_rows import ADAPTER, ALPHA, RANK, Sizes, groups, letters
from safetensors.torch import load_file

from haiga.batches.features import Features, cache_key
from haiga.batches.groups import GroupBatch, collate
from haiga.batches.render import Rendered, render
from haiga.models import adapters
from haiga.models.assemble import Vlm
from haiga.models.features import encode_pictures
from haiga.models.trainable import parameter_groups
from haiga.objectives import needs
from haiga.objectives.bind import bind_objective
from haiga.recipe.bind import bind
from haiga.recipe.schema import Rollout
from haiga.records import Group
from haiga.rewards.base import Sample, Scored
from haiga.rewards.combine import Part
from haiga.training import rollout
from haiga.training.advantage import ADVANTAGES
from haiga.training.forward import Forward, columns_named, wanted
from haiga.training.loop import fit
from haiga.training.order import batch_indices
from haiga.training.preferences import with_mismatched
from haiga.training.references import known_answers, model_key, of_rows, starting_copy
from haiga.training.settings import Hooks, Settings

RATE, BETA, KL, EPOCHS = 1e-5, 0.1, 0.05, 2
SEED = 0
OBJECTIVES: dict[str, dict[str, Any]] = {
    "sft": {"name": "cross_entropy"},
    "dpo": {"name": "dpo", "beta": BETA},
    "kto": {"name": "kto", "beta": BETA, "reference_point": "mismatched"},
    "orpo": {"name": "orpo", "beta": BETA},
    "grpo": {"name": "grpo"},
    "rloo": {"name": "reinforce"},
}
ROLLOUTS: dict[str, dict[str, Any]] = {
    "grpo": {"advantage": {"name": "group_relative"}},
    "rloo": {"advantage": {"name": "leave_one_out"}, "kl": KL},
}
Collate = Callable[[Sequence[Rendered]], GroupBatch]


@dataclass(frozen=True)
class Job:
    """What is trained, on what, and where it writes."""

    work: str
    sizes: Sizes
    vlm: Vlm
    asked: Sequence[Group]
    rows: Sequence[Rendered]
    collate: Collate
    folder: Path
    emit: Callable[[Mapping[str, Any]], None]


def run(
    work: str, folder: Path, sizes: Sizes, steps: int, clock: Callable[[], tuple[float, ...]]
) -> dict[str, Any]:
    """Two epochs of `steps` steps: what `clock` said at the start and after each step, and more."""
    size = sizes.prompts if work in ROLLOUTS else sizes.groups
    asked, pictures = groups(sizes, size * steps)
    vlm = opened(folder)
    known = known_logp(vlm, asked[0], pictures)
    before = resident()
    marks, losses, lengths = [clock()], [], []

    def emit(event: Mapping[str, Any]) -> None:
        if event["kind"] == "step":
            marks.append(clock())
            losses.append(event["loss"])
        elif event["kind"] == "rollout":
            lengths.append(event["length"])

    with TemporaryDirectory() as scratch:
        place = Path(scratch)
        rows, collated = prepared(vlm, answered(work, asked), pictures, place)
        job = Job(work, sizes, vlm, asked, rows, collated, place, emit)
        fit(
            vlm.model,
            parameter_groups(vlm.model, [(".*lora_.*", RATE), (".*", "frozen")]),
            bind_objective(OBJECTIVES[work], "objective"),
            batches(job),
            Settings(steps=EPOCHS * steps, seed=SEED, warmup_share=0.0, floor=RATE),
            hooks=Hooks(emit=emit),
        )
    return {
        "marks": marks,
        "losses": losses,
        "lengths": lengths,
        "known": known,
        "bytes": resident() - before,
        "whole": resident(),
    }


def opened(folder: Path) -> Vlm:
    vlm = adapters.attach(adapters.load_stage(folder / "base"), r=RANK, alpha=ALPHA)
    set_peft_model_state_dict(vlm.model, load_file(folder / ADAPTER))
    return vlm


def known_logp(vlm: Vlm, group: Group, pictures: Mapping[str, bytes]) -> float:
    """Mean log-prob of the tokens of a group's first answer, to compare with the other side's."""
    with TemporaryDirectory() as scratch:
        first = replace(group, answers=group.answers[:1])
        rows, collated = prepared(vlm, [first], pictures, Path(scratch))
    with torch.no_grad():
        forward = Forward(vlm.model, columns_named(["token_logps"]), torch.float32)
        return float(forward(collated(rows))["token_logps"].mean())


def answered(work: str, asked: Sequence[Group]) -> list[Group]:
    """The answers that a work learns from."""
    if work == "sft":
        return [replace(group, answers=group.answers[:1]) for group in asked]
    return with_mismatched(asked, SEED) if work == "kto" else list(asked)


def prepared(
    vlm: Vlm, asked: Sequence[Group], pictures: Mapping[str, bytes], folder: Path
) -> tuple[list[Rendered], Collate]:
    """Rows as token ids, and collation with features from the cache, as `training.parts` has it."""
    rows = [render(vlm.processor, group, vlm.picture_tokens) for group in asked]
    cache = Features.open(folder / "features", cache_key(vlm))
    ids = [id for row in rows for id in row.picture_ids]
    cache.ensure(ids, pictures, lambda views: encode_pictures(vlm, views))
    pad = vlm.tokenizer.pad_token_id

    def collated(chosen: Sequence[Rendered]) -> GroupBatch:
        names = [id for row in chosen for id in row.picture_ids]
        return replace(collate(chosen, pad), features=cache.get(names))

    return rows, collated


def batches(job: Job) -> Callable[[int], Sequence[GroupBatch]]:
    """step -> its one micro-batch: of a rollout, or of known answers and, perhaps, references."""
    columns = wanted(needs(bind_objective(OBJECTIVES[job.work], "objective").function))
    if job.work in ROLLOUTS:
        return rollout.batches(policy(job, columns))
    collated = with_references(job) if "ref_answer_logps" in columns else job.collate

    def of_step(step: int) -> list[GroupBatch]:
        chosen = batch_indices(len(job.rows), job.sizes.groups, step, SEED)
        return [collated([job.rows[at] for at in chosen])]

    return of_step


def with_references(job: Job) -> Collate:
    known = known_answers(
        job.vlm.model,
        job.rows,
        job.collate,
        job.folder / f"{model_key(job.vlm.model, 'float32')}.jsonl",
        batch=job.sizes.groups,
        dtype=torch.float32,
        progress=lambda done, total: None,
    )
    return lambda rows: replace(job.collate(rows), ref_answer_logps=of_rows(known, rows))


def policy(job: Job, columns: frozenset[str]) -> rollout.Policy:
    settings = Rollout(
        rewards=({"name": "letters"},),
        samples=job.sizes.samples,
        max_new_tokens=job.sizes.answer,
        **ROLLOUTS[job.work],
    )
    return rollout.Policy(
        vlm=job.vlm,
        rows=job.rows,
        groups={group.id: group for group in job.asked},
        collate=job.collate,
        pictures={},
        parts=(Part("letters", rewarded),),
        worth=bind(ADVANTAGES, settings.advantage, "advantage"),
        needs=columns,
        settings=settings,
        start=starting_copy(job.vlm.model),
        dtype=torch.float32,
        folder=job.folder / "rollouts",
        batch=job.sizes.prompts,
        micro=job.sizes.prompts,
        seed=SEED,
        emit=job.emit,
    )


def rewarded(samples: Sequence[Sample]) -> list[Scored]:
    return [Scored(letters(sample.text)) for sample in samples]
