"""The model answers rendered rows, whose pictures come as a batch carries them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import nn

from haiga.batches.groups import GroupBatch
from haiga.batches.render import Rendered
from haiga.models.assemble import Vlm
from haiga.models.embeddings import tower_features
from haiga.models.sample import Prompts, sample
from haiga.records import Group

LONGEST: Final = 48
"""Tokens of a sample for people to look at."""


def decode(
    vlm: Vlm,
    rows: Sequence[Rendered],
    collate: Callable[[Sequence[Rendered]], GroupBatch],
    dtype: torch.dtype,
    **how: Any,
) -> list[tuple[int, ...]]:
    """Answers to each row as token ids, those of one row side by side; `how` is for `sample`.

    Matrix products are made in `dtype`, as in training.
    """
    where = vlm.model.device
    with torch.autocast(where.type, dtype, enabled=dtype is not torch.float32):
        return sample(vlm, prompts(vlm, rows, collate(rows)), **how)


def prompts(vlm: Vlm, rows: Sequence[Rendered], batch: GroupBatch) -> Prompts:
    """The prompts of `rows`, padded on the left, with the pictures that `batch` carries."""
    features = batch.features
    if features is None and batch.pixel_values is not None:
        with torch.no_grad():
            features = tower_features(vlm.model, batch.pixel_values)
    width = max(len(row.prefix) for row in rows)
    pad = vlm.tokenizer.pad_token_id
    ids = [[pad] * (width - len(row.prefix)) + list(row.prefix) for row in rows]
    mask = [[0] * (width - len(row.prefix)) + [1] * len(row.prefix) for row in rows]
    where = vlm.model.device
    return Prompts(
        ids=tuple(row.id for row in rows),
        input_ids=torch.tensor(ids, device=where),
        attention_mask=torch.tensor(mask, device=where),
        picture_ids=batch.picture_ids,
        features=features,
    )


def text_of(vlm: Vlm, ids: Sequence[int]) -> str:
    """An answer's words, without special tokens."""
    return str(vlm.tokenizer.decode(list(ids), skip_special_tokens=True))


def writer(
    vlm: Vlm,
    rows: Sequence[Rendered],
    collate: Callable[[Sequence[Rendered]], GroupBatch],
    groups: Sequence[Group],
    dtype: torch.dtype,
) -> Callable[[nn.Module, int], list[dict[str, Any]]]:
    """(model, step) -> what it writes now to `rows`, greedily, each beside what its group holds."""
    known = {group.id: known_texts(group) for group in groups}

    def sample(model: nn.Module, step: int) -> list[dict[str, Any]]:
        how = {"number": 1, "max_new_tokens": LONGEST, "temperature": 0.0}
        written = decode(vlm, rows, collate, dtype, **how)
        return [
            {"id": row.id, "text": text_of(vlm, ids), **known[row.id]}
            for row, ids in zip(rows, written, strict=True)
        ]

    return sample


def known_texts(group: Group) -> dict[str, str]:
    """What a person reads beside a model's own answer: the reference, and the first rejected one
    where there is one."""
    rejected = [answer.text for answer in group.answers if answer.kind == "rejected"]
    found = {"reference": group.answers[0].text}
    return found | {"rejected": rejected[0]} if rejected else found
