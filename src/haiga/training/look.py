"""A look at what a model writes while it learns: the instruments behind the numbers of `watch`.

The same held-out prompts are answered greedily each time. Each is read once, with its picture, a
desirable and an undesirable answer; the model's own is written on from there. The model as it
started tells of a part of what was written how likely it would have been.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, pstdev
from typing import Any, Final

import torch
from peft import PeftModel
from torch import Tensor, nn

from haiga.batches.render import Rendered
from haiga.models.assemble import Vlm
from haiga.models.beside import Said, said
from haiga.models.embeddings import base_of, tower_features
from haiga.models.sample import ends_of
from haiga.objectives import needs
from haiga.objectives.bind import bind_objective
from haiga.recipe.schema import Stage, Watch
from haiga.records import Group
from haiga.rewards import REWARDS, Sample, Scored
from haiga.text.diversity import distinct
from haiga.text.readable import readable
from haiga.text.scripts import tokens
from haiga.training.decode import known_texts, text_of
from haiga.training.forward import Forward, answer_logps, columns_named, to_device, wanted
from haiga.training.order import split
from haiga.training.parts import SAMPLES, Job, Material
from haiga.training.references import as_it_started, starting_copy
from haiga.training.settings import DTYPES
from haiga.training.watch import Look
from haiga.training.written import sampled

COMPARED: Final = 4
"""One of so many answers is told to the model as it started: no rule goes by the distance."""
TOGETHER: Final = 4
"""So many micro-batches are looked at in one pass, which has room for more rows than a step as it
keeps nothing for a gradient; and writing costs by the token and not by the row."""
ROOM: Final = 1.5
"""An answer may become so many times as long as the longest desirable one before it is cut."""


@dataclass(frozen=True)
class Sight:
    """Who looks, and at what."""

    vlm: Vlm
    rows: Sequence[Rendered]
    """Each with its first desirable and its first undesirable answer, where there is one."""
    groups: Mapping[str, Group]
    """Row id -> its group, with its truth."""
    collate: Callable[[Sequence[Rendered]], Any]
    start: Mapping[str, Tensor] | None
    """What learns beside the adapter, as it stood before the first step; None where the whole
    start could only be kept as a second copy of the model."""
    dtype: torch.dtype
    together: int
    """Rows that are put through the model at once."""


def watched(stage: Stage) -> Watch | None:
    """How a stage is watched, or None where it is not.

    Unless it says otherwise, a VLM is that learns to write by anything but plain cross-entropy,
    whose own loss tells. A reward model does not write.
    """
    if isinstance(stage.watch, Watch):
        return stage.watch
    by_default = stage.objective["name"] != "cross_entropy" and stage.part == "vlm"
    asked = by_default and writes(stage) if stage.watch is None else stage.watch
    return Watch() if asked else None


def writes(stage: Stage) -> bool:
    """Whether the stage's objective moves what the model writes."""
    objective = bind_objective(stage.objective, "objective")
    return "token_logps" in wanted(needs(objective.function))


def looking(
    job: Job, material: Material, rows: Sequence[Rendered]
) -> Callable[[nn.Module, int], Look] | None:
    """The look that a stage takes at itself, by these held-out rows; None where nobody watches.

    Some of what it writes is told as samples for people to read.
    Call it before the first step: what learns beside an adapter is copied as it starts.
    """
    section = watched(material.stage)
    if section is None or job.vlm is None or not rows:
        if section is not None or material.stage.watch is False:
            why = "nothing is held out for validation" if section else "watch = false"
            text = f"Nobody watches what this stage writes: {why}."
            material.emit({"kind": "note", "text": text})
        return None
    sight = Sight(
        vlm=job.vlm,
        rows=rows,
        groups={group.id: group for group in material.validation},
        collate=lambda rows: job.collate(rows, -1),
        start=starting_copy(job.model) if isinstance(job.model, PeftModel) else None,
        dtype=DTYPES[material.stage.dtype],
        together=TOGETHER * (material.stage.micro_batch or len(rows)),
    )

    def watch(model: nn.Module, step: int) -> Look:
        now, texts = look(sight, step)
        for row, text in zip(rows[:SAMPLES], texts, strict=False):
            said = {"id": row.id, "text": text, **known_texts(sight.groups[row.id])}
            material.emit({"kind": "sample", "step": step, **said})
        return now

    return watch


def look(sight: Sight, step: int) -> tuple[Look, list[str]]:
    """What the model writes now, as numbers and as it stands. Its mode and all random state are as
    before."""
    model, training = sight.vlm.model, sight.vlm.model.training
    own: list[tuple[int, ...]] = []
    likely: dict[str, list[float]] = {"chosen": [], "rejected": []}
    apart: list[float] = []
    model.eval()
    try:
        for rows in split(sight.rows, sight.together):
            told, known = _said(sight, rows)
            own += told.answers
            for kind, logp in known:
                likely[kind].append(logp)
            apart += _apart(sight, rows, told, step)
    finally:
        model.train(training)
    groups = [sight.groups[row.id] for row in sight.rows]
    texts = [text_of(sight.vlm, ids) for ids in own]
    ends = ends_of(sight.vlm)
    now = Look(
        step=step,
        answers=len(own),
        ended=fmean(ids[-1] in ends for ids in own),
        wanted=fmean(len(tokens(_desirable(group))) for group in groups),
        **measured([Sample(*each) for each in zip(groups, texts, strict=True)]),
        **_distances(likely),
        kl=fmean(apart) if apart else None,
    )
    return now, texts


def measured(samples: Sequence[Sample]) -> dict[str, Any]:
    """What the texts alone tell, and the truth about their pictures where it is known."""
    poems = [sample for sample in samples if sample.group.task == "haiku"]
    texts = [sample.text for sample in samples]
    return {
        "parsed": fmean(readable(s.text, s.group.task, s.group.language) for s in samples),
        "language": _mean(REWARDS["language"](samples)),
        "variety": _mean(REWARDS["variety"](samples)),
        "distinct": distinct(texts),
        "words": fmean(len(tokens(text)) for text in texts),
        "form": _mean(REWARDS["form"](poems)),
        "named": _mean(REWARDS["true_to_picture"](samples)),
    }


def _mean(scores: Sequence[Scored]) -> float | None:
    """Over those that could be scored; None where none could."""
    values = [scored.value for scored in scores if scored.value is not None]
    return fmean(values) if values else None


def _distances(likely: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    chosen, rejected = likely["chosen"], likely["rejected"]
    return {
        "desirable": fmean(chosen) if chosen else None,
        "spread": pstdev(chosen) if chosen else None,
        "gap": fmean(chosen) - fmean(rejected) if chosen and rejected else None,
    }


def _said(sight: Sight, rows: Sequence[Rendered]) -> tuple[Said, list[tuple[str, float]]]:
    """What the model says of some rows; the kind and log-probability of each known answer."""
    longest = max((len(each.ids) for row in sight.rows for each in row.answers), default=64)
    positions = base_of(sight.vlm.model).config.get_text_config().max_position_embeddings
    room = max(1, positions - max(len(row.prefix) for row in rows))  # else `said` has a sentence
    where = sight.vlm.model.device
    batch = to_device(sight.collate(rows), where)
    with torch.autocast(where.type, sight.dtype, enabled=sight.dtype is not torch.float32):
        features = batch.features
        if features is None and batch.pixel_values is not None:
            with torch.no_grad():
                features = tower_features(sight.vlm.model, batch.pixel_values)
        told = said(sight.vlm, batch, features, max_new_tokens=min(room, round(ROOM * longest)))
    logps = answer_logps(batch, told.known).tolist()
    return told, list(zip(batch.kinds, logps, strict=True))


@torch.no_grad()
def _apart(sight: Sight, rows: Sequence[Rendered], told: Said, step: int) -> list[float]:
    """How much likelier some of the answers are than they were at the start."""
    if sight.start is None:
        return []
    some = slice(None, None, COMPARED)
    if step == 0:  # nothing has moved
        return [0.0 for _ in rows[some]]
    alone = [sampled(row, [ids]) for row, ids in zip(rows[some], told.answers[some], strict=True)]
    forward = Forward(sight.vlm.model, columns_named(["answer_logps"]), sight.dtype)
    with as_it_started(sight.vlm.model, sight.start):
        before = forward(sight.collate(alone))["answer_logps"].tolist()
    return [now - then for now, then in zip(told.own[some], before, strict=True)]


def looked_at(rows: Sequence[Rendered], most: int) -> list[Rendered]:
    """So many rows, evenly from all over the held-out ones, each with its first answer of either
    kind."""
    count = min(most, len(rows))
    return [_first_of_each(rows[at * len(rows) // count]) for at in range(count)]


def _first_of_each(row: Rendered) -> Rendered:
    """The row with one desirable and one undesirable answer, as far as it has them."""
    firsts = [row.kinds.index(kind) for kind in ("chosen", "rejected") if kind in row.kinds]
    return replace(
        row,
        answers=tuple(row.answers[at] for at in firsts),
        kinds=tuple(row.kinds[at] for at in firsts),
    )


def _desirable(group: Group) -> str:
    return next((answer.text for answer in group.answers if answer.kind == "chosen"), "")
