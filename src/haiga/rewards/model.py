"""The reward of a trained reward model, which has read the picture, the prompt and the answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

from haiga.errors import DataError, ModelError
from haiga.records import Answer, Group, assistant
from haiga.rewards.base import Sample, Scored
from haiga.rewards.pictures import look, unseen

if TYPE_CHECKING:
    from torch import Tensor

    from haiga.batches.render import Rendered
    from haiga.models.assemble import Vlm

GROUPS: Final = 16
"""Prompts that are read together, each with all its samples."""
REMEMBERED: Final = 1024
"""Pictures whose features stay in memory from one call to the next, half a megabyte each."""


@dataclass(frozen=True)
class Judge:
    """A reward model, and what it need not work out again."""

    vlm: Vlm
    seen: dict[str, Tensor] = field(default_factory=dict)
    """Picture id -> the tower's features of it."""
    own: dict[str, Scored] = field(default_factory=dict)
    """Group id -> the mean score of its own chosen answers."""

    @cached_property
    def eyes(self) -> str:
        """The key under which features of its tower are kept."""
        from haiga.batches.features import cache_key

        return cache_key(self.vlm)


def reward_model(
    samples: Sequence[Sample], *, model: str, centred: bool = False, features: str | None = None
) -> list[Scored]:
    """The logit that the reward model in the folder `model` gives each text; it has no bounds.

    Only differences between answers to one prompt are determined (Bradley and Terry 1952): a
    difference of d is a probability of sigmoid(d) to be preferred. `centred` takes off the mean
    score of the group's own chosen answers, so that 0 is as good as these (Shen et al. 2024,
    arXiv:2403.07708). The model reads a prompt and its picture once for all samples. `features` is
    a folder of picture features, a run's own where nothing is said: those of the same tower and
    preprocessing are read there and not made again.

    White space around a text is not read. A text that holds a control token, or that is on a
    picture that cannot be opened, has no score.

    Raises:
        ModelError: the folder holds no reward model.
    """
    judge = opened(str(Path(model).resolve()))
    _recall(judge, samples, features)
    texts = [sample.text.strip() for sample in samples]
    scored = _scored(judge, samples, [Answer((assistant(text),), "sample") for text in texts])
    if not centred:
        return scored
    _know_own(judge, samples)
    return [
        _less(each, judge.own[sample.group.id])
        for each, sample in zip(scored, samples, strict=True)
    ]


def answer_scores(
    groups: Sequence[Group],
    pictures: Mapping[str, bytes],
    *,
    model: str,
    features: str | None = None,
) -> list[list[Scored]]:
    """What the reward model says of every answer of each group, all its turns read; `features` as
    of `reward_model`."""
    asked = [(Sample(group, "", pictures), each) for group in groups for each in group.answers]
    samples, answers = [sample for sample, _ in asked], [answer for _, answer in asked]
    judge = opened(str(Path(model).resolve()))
    _recall(judge, samples, features)
    scored = iter(_scored(judge, samples, answers))
    return [[next(scored) for _ in group.answers] for group in groups]


def _recall(judge: Judge, samples: Sequence[Sample], folder: str | None) -> None:
    """Read the features of the samples' pictures that are known on disk; forget old ones."""
    from haiga.batches.features import Features

    if len(judge.seen) > REMEMBERED:
        judge.seen.clear()
    shown = {picture.id for sample in samples for picture in sample.group.pictures}
    if folder is None or shown <= judge.seen.keys():
        return
    cache = Features.open(Path(folder), judge.eyes)
    known = sorted(id for id in shown - judge.seen.keys() if id in cache)
    judge.seen.update(zip(known, cache.get(known), strict=True))


def _know_own(judge: Judge, samples: Sequence[Sample]) -> None:
    """Score the chosen answers of the groups that are new."""
    for sample in samples:
        group = sample.group
        if group.id in judge.own:
            continue
        own = [answer for answer in group.answers if answer.kind == "chosen"]
        found = _scored(judge, [sample] * len(own), own)
        values = [each.value for each in found if each.value is not None]
        why = found[0].why if found else "Its group has no chosen answer to be compared with."
        judge.own[group.id] = Scored(fmean(values)) if values else Scored(None, why)


def _less(scored: Scored, own: Scored) -> Scored:
    if scored.value is None or own.value is None:
        return Scored(None, scored.why or own.why)
    return Scored(scored.value - own.value)


def _scored(judge: Judge, samples: Sequence[Sample], answers: Sequence[Answer]) -> list[Scored]:
    """The score of each answer to the prompt of its sample."""
    from haiga.models.features import encode_pictures  # transformers: others need it not

    faults = look(samples, judge.seen, lambda views: encode_pictures(judge.vlm, views).cpu())
    rows: dict[int, Rendered] = {}
    whys: dict[int, str] = {}
    for at, (sample, answer) in enumerate(zip(samples, answers, strict=True)):
        try:
            asked = replace(sample.group, answers=(answer,))
            rows[at] = _rendered(judge.vlm, asked, unseen(sample, faults))
        except DataError as error:
            whys[at] = str(error)
    values = dict(zip(rows, _values(judge, list(rows.values())), strict=True))
    return [Scored(values.get(at), whys.get(at, "")) for at in range(len(samples))]


def _rendered(vlm: Vlm, group: Group, why: str) -> Rendered:
    from haiga.batches.render import render

    if why:
        raise DataError(why)
    return render(vlm.processor, group, vlm.picture_tokens)


def _values(judge: Judge, rows: Sequence[Rendered]) -> list[float]:
    """The score of each row's one answer; rows of one group share their prompt."""
    import torch

    from haiga.batches.groups import collate
    from haiga.models.score import scores

    values = [0.0] * len(rows)
    for places in _together(rows):
        joined = [_joined([rows[at] for at in own]) for own in places]
        batch = collate(joined, judge.vlm.tokenizer.pad_token_id)
        views = [judge.seen[id] for names in batch.picture_ids for id in names]
        batch = replace(batch, features=torch.stack(views) if views else None)
        batch = batch.to(judge.vlm.model.device)
        with torch.no_grad():
            found = scores(judge.vlm.model, batch, batch.ends, batch.features).tolist()
        for at, value in zip((at for own in places for at in own), found, strict=True):
            values[at] = value
    return values


def _together(rows: Sequence[Rendered]) -> Iterator[list[list[int]]]:
    """The places of the rows of each group, `GROUPS` groups at a time."""
    by_group: dict[str, list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        by_group[row.id].append(at)
    groups = list(by_group.values())
    for start in range(0, len(groups), GROUPS):
        yield groups[start : start + GROUPS]


def _joined(rows: Sequence[Rendered]) -> Rendered:
    """Rows of one prompt as one, with all their answers."""
    return replace(
        rows[0],
        answers=tuple(answer for row in rows for answer in row.answers),
        kinds=tuple(kind for row in rows for kind in row.kinds),
    )


@lru_cache(maxsize=1)
def opened(model: str) -> Judge:
    """The reward model of a folder, read once, on this process's device."""
    from haiga.models.adapters import load_stage
    from haiga.models.device import device
    from haiga.models.score import score_head

    vlm = load_stage(Path(model))
    try:
        score_head(vlm.model)
    except ModelError as error:
        raise ModelError(
            f"{model} is no reward model: it has no head that scores. Name a stage that was "
            "trained with bradley_terry."
        ) from error
    vlm.model.eval().requires_grad_(False).to(device())
    return Judge(vlm)
