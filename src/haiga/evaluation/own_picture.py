"""Whether an answer fits its own picture better than others: no truth, no judge and no network.

    own_picture             by a dual encoder
    own_picture_by_model    by the model's own likelihoods, where no encoder can tell

An answer's score is the share of the other held-out pictures that fit it worse than its own, so
that chance is one half, whatever the size of the gallery; ties count against it, pictures of its
own cluster are left out, and an answer that cannot be read scores nothing. Whoever wrote without
looking is at chance. It tells that words and picture belong together and not that the words are
right; and an encoder is asked only where it surely finds the pictures of the references.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from haiga.evaluation.checks import Part, Parts, clusters, readable
from haiga.evaluation.conditions import Item, images
from haiga.evaluation.self_retrieval import likelihoods
from haiga.models.assemble import Vlm
from haiga.models.towers import Towers, picture_embeds, text_embeds

BY_ENCODER, BY_MODEL = "own_picture", "own_picture_by_model"
SENTENCES: Final = {
    BY_ENCODER: "of the other held-out pictures, the share that fits an answer worse than its own, "
    "by the dual encoder; chance is 50",
    BY_MODEL: "of the other held-out pictures, the share that fits an answer worse than its own, "
    "by the model's own likelihoods; chance is 50",
}
CHANCE: Final = 0.5
_BATCH: Final = 64
K = TypeVar("K")


def seen(
    towers: Towers, items: Sequence[Item], pictures: Mapping[str, bytes]
) -> Float[Tensor, "P D"]:
    """The items' pictures in the encoder's space; each item has one."""
    parts = [
        picture_embeds(towers, [images(item, pictures)[0] for item in items[start:][:_BATCH]])
        for start in range(0, len(items), _BATCH)
    ]
    return torch.cat(parts)


def by_encoder(
    towers: Towers, shown: Float[Tensor, "P D"], items: Sequence[Item], texts: Sequence[str]
) -> Parts:
    """The scores of one text to each item, by the cosines of a dual encoder."""
    return beaten(shown @ text_embeds(towers, list(texts)).T, items, texts)


def by_model(
    vlm: Vlm,
    items: Sequence[Item],
    cells: Mapping[K, Sequence[str]],
    pictures: Mapping[str, bytes],
    features: Path | None = None,
) -> dict[K, Parts]:
    """The scores of the texts of several cells, by log p(text | picture).

    A text's own likelihood is the same beside every picture and need not be taken off.

    Args:
        vlm: who judges; usually who wrote.
        items: of one picture, task and language.
        cells: by any names; each has one text for each item.
        pictures: the bytes of the items' pictures.
        features: the folder where what towers see is kept, a run's own; None keeps nothing.
    """
    texts = list(dict.fromkeys(text for own in cells.values() for text in own))
    table = likelihoods(vlm, items, texts, pictures, features)
    column = {text: at for at, text in enumerate(texts)}
    return {
        name: beaten(table[:, [column[text] for text in own]], items, own)
        for name, own in cells.items()
    }


def beaten(similarity: Float[Tensor, "N N"], items: Sequence[Item], texts: Sequence[str]) -> Parts:
    """The share of other pictures (rows) that each text (columns) is less like than its own.

    None where every picture is of its own cluster.
    """
    names = {name: at for at, name in enumerate(dict.fromkeys(clusters(items)))}
    groups = torch.tensor([names[cluster] for cluster in clusters(items)])
    other = groups[:, None] != groups[None, :]
    worse = ((similarity < similarity.diagonal()[None, :]) & other).sum(0).tolist()
    count = other.sum(0).tolist()
    return [
        Part(won / among if readable(item, text) else 0.0) if among else None
        for item, text, won, among in zip(items, texts, worse, count, strict=True)
    ]
