"""Batches for two towers: pictures and their captions, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import xxhash
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class PairBatch:
    """B pictures with their captions. Equal ids mean an equal picture or an equal caption."""

    ids: tuple[str, ...]
    pixel_values: Float[Tensor, "B 3 H W"]
    input_ids: Int[Tensor, "B L"]
    attention_mask: Int[Tensor, "B L"]
    picture_ids: Int[Tensor, " B"]
    caption_ids: Int[Tensor, " B"]


@dataclass(frozen=True)
class Pair:
    """One picture and its caption as tokens."""

    id: str
    picture: str
    """The picture's digest."""
    tokens: tuple[int, ...]


def collate(
    pairs: Sequence[Pair],
    pixel_values: Float[Tensor, "B 3 H W"],
    pad_id: int,
    length: int | None = None,
) -> PairBatch:
    """One batch; captions are padded on the right to `length`, or to the longest.

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
        input_ids[row, : len(pair.tokens)] = torch.tensor(pair.tokens)
        mask[row, : len(pair.tokens)] = 1
    return PairBatch(
        ids=tuple(pair.id for pair in pairs),
        pixel_values=pixel_values,
        input_ids=input_ids,
        attention_mask=mask,
        picture_ids=torch.tensor([_number(pair.picture) for pair in pairs]),
        caption_ids=torch.tensor([_number(repr(pair.tokens)) for pair in pairs]),
    )


def _number(text: str) -> int:
    """63 bits of the text's hash: they fit in a tensor, and agree between ranks and chunks."""
    return xxhash.xxh3_64_intdigest(text.encode()) >> 1
