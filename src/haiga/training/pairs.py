"""Batches for two towers: pictures and their captions, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import xxhash
from jaxtyping import Float, Int
from torch import Tensor

from haiga.records import Group


@dataclass(frozen=True)
class PairBatch:
    """B pictures with their captions. Equal ids mean an equal picture or an equal caption."""

    ids: tuple[str, ...]
    pixel_values: Float[Tensor, "B 3 H W"]
    input_ids: Int[Tensor, "B L"]
    attention_mask: Int[Tensor, "B L"]
    picture_ids: Int[Tensor, " B"]
    caption_ids: Int[Tensor, " B"]
    true_captions: Int[Tensor, "B K"]
    """All captions of each picture, padded with -1; the row's own is one of them."""


@dataclass(frozen=True)
class Pair:
    """One picture and its caption as tokens."""

    id: str
    picture: str
    """The picture's digest."""
    tokens: tuple[int, ...]
    siblings: tuple[tuple[int, ...], ...] = ()
    """The picture's other captions."""


def of_groups(groups: Sequence[Group], tokenizer: Any, length: int) -> tuple[list[Pair], int]:
    """Every answer about a single picture as its caption, at most `length` tokens; how many were
    longer, of which the end is lost."""
    made: list[Pair] = []
    cut = 0
    for group in groups:
        if len(group.pictures) != 1:
            continue
        texts = []
        for answer in group.answers:
            tokens = tokenizer(answer.text).input_ids
            if len(tokens) > length:
                cut += 1
                tokens = tokenizer(answer.text, truncation=True, max_length=length).input_ids
            texts.append(tuple(tokens))
        for at, own in enumerate(texts):
            others = tuple(texts[:at] + texts[at + 1 :])
            made.append(Pair(f"{group.id}/{at}", group.pictures[0].id, own, others))
    return made, cut


def collate(
    pairs: Sequence[Pair],
    pixel_values: Float[Tensor, "B 3 H W"],
    pad_id: int,
    length: int | None = None,
    *,
    side: str = "right",
    most: int = 8,
) -> PairBatch:
    """One batch; captions are padded on the given `side` to `length`, or to the longest, and true
    captions to `most` a picture, or to those of whoever has most here.

    SigLIP is trained with every caption padded to its 64 positions and without a mask, so give it
    `length`; CLIP reads the mask.

    Raises:
        ValueError: when a caption is longer than `length`.
    """
    width = length or max(len(pair.tokens) for pair in pairs)
    input_ids = torch.full((len(pairs), width), pad_id, dtype=torch.long)
    mask = torch.zeros_like(input_ids)
    for row, pair in enumerate(pairs):
        if len(pair.tokens) > width:
            raise ValueError(
                f"The caption of {pair.id} has {len(pair.tokens)} tokens, the text tower takes "
                f"{width}: cut it when it is tokenized."
            )
        start = width - len(pair.tokens) if side == "left" else 0
        place = slice(start, start + len(pair.tokens))
        input_ids[row, place] = torch.tensor(pair.tokens)
        mask[row, place] = 1
    true = [[_number(repr(tokens)) for tokens in (pair.tokens, *pair.siblings)] for pair in pairs]
    most = max(most, *(len(row) for row in true))
    return PairBatch(
        ids=tuple(pair.id for pair in pairs),
        pixel_values=pixel_values,
        input_ids=input_ids,
        attention_mask=mask,
        picture_ids=torch.tensor([_number(pair.picture) for pair in pairs]),
        caption_ids=torch.tensor([row[0] for row in true]),
        true_captions=torch.tensor([row + [-1] * (most - len(row)) for row in true]),
    )


def _number(text: str) -> int:
    """63 bits of the text's hash: they fit in a tensor, and agree between ranks and chunks."""
    return xxhash.xxh3_64_intdigest(text.encode()) >> 1
