"""Whether what a model writes belongs to its picture: each text must find its own among all.

By the model's own likelihoods, with the likelihood that a text has without any picture taken off,
and by a dual encoder. No truth is needed, so it works on anybody's pictures. What is measured is
how specific the texts are, not how good: a wrong text that is always wrong in the same way for its
picture finds it as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from haiga.evaluation.checks import clusters
from haiga.evaluation.conditions import CONDITIONS, Item, images
from haiga.evaluation.likelihood import answer_logps
from haiga.evaluation.retrieval import both_ways
from haiga.models.assemble import Vlm
from haiga.models.towers import Towers, picture_embeds, text_embeds


def chosen(items: Sequence[Item], most: int) -> list[int]:
    """Places of at most `most` items of one picture each, of the first one's task and language."""
    single = [at for at, item in enumerate(items) if len(item.pictures) == 1]
    first = items[single[0]] if single else None
    kind = (first.task, first.language) if first else None
    return [at for at in single if (items[at].task, items[at].language) == kind][:most]


def by_likelihood(
    vlm: Vlm,
    items: Sequence[Item],
    texts: Sequence[str],
    pictures: Mapping[str, bytes],
    features: Path | None = None,
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Retrieval by log p(text | picture); see `retrieval.both_ways` for what it returns.

    All are asked in the first item's words, so that pictures alone tell the rows apart. Where a
    picture chooses among texts, log p(text) without a picture is taken off. Two equal texts cannot
    be told apart and count against the model.

    Args:
        vlm: who judges; usually who wrote.
        items: N of one picture each.
        texts: what was written to each of them.
        pictures: the bytes of the items' pictures.
        features: the folder where what towers see is kept, a run's own; None keeps nothing.
        seed: of the bootstrap.
    """
    (blind,) = CONDITIONS["blind"].transform(items[:1], seed)
    (prior,) = answer_logps(vlm, [blind], [texts], pictures)
    similarity = likelihoods(vlm, items, texts, pictures, features)
    return both_ways(similarity, clusters=clusters(items), seed=seed, prior=prior.logps)


def likelihoods(
    vlm: Vlm,
    items: Sequence[Item],
    texts: Sequence[str],
    pictures: Mapping[str, bytes],
    features: Path | None = None,
) -> Float[Tensor, "P T"]:
    """log p(text | picture), nats, of every item's picture and every text, all asked in the first
    item's words; `features` as of `by_likelihood`."""
    alike = [replace(item, prompt=items[0].prompt) for item in items]
    rows = answer_logps(vlm, alike, [texts] * len(alike), pictures, features)
    return torch.stack([likely.logps for likely in rows])


def by_encoder(
    towers: Towers,
    items: Sequence[Item],
    texts: Sequence[str],
    pictures: Mapping[str, bytes],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Retrieval by the cosines of a dual encoder."""
    views = [images(item, pictures)[0] for item in items]
    similarity = picture_embeds(towers, views) @ text_embeds(towers, list(texts)).T
    return both_ways(similarity, clusters=clusters(items), seed=seed)
