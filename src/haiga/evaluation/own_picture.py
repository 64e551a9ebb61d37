"""Whether an answer fits its own picture better than others: no truth, no judge and no network.

An answer's score is the share of the other held-out pictures that a dual encoder finds less like it
than its own, so that chance is one half, whatever the size of the gallery; ties count against it,
pictures of its own cluster are left out, and an answer that cannot be read scores nothing. Whoever
wrote without looking is at chance. It tells that words and picture belong together, and not that
all the words are right; and an encoder is believed only where it surely finds the pictures of the
references.

The model's own likelihoods would not do in an encoder's place: a model that was trained on
strangers' pictures writes nothing that is in its picture, and yet finds its own words likelier
beside it (`benchmarks/own_picture.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from haiga.evaluation.checks import Part, Parts, clusters, readable
from haiga.evaluation.conditions import Item, images
from haiga.models.towers import Towers, picture_embeds, text_embeds

OWN_PICTURE: Final = "own_picture"
SENTENCE: Final = (
    "of the other held-out pictures, the share that fits an answer worse than its own, by a dual "
    "encoder; chance is 50"
)
CHANCE: Final = 0.5
_BATCH: Final = 64


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
