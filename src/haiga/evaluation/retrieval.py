"""Picture-to-text and text-to-picture retrieval of a dual encoder: R@1, R@5, R@10.

The rank of a pair is one more than the number of others at least as similar, so that ties count
against the model (a tower that says the same of everything scores nothing).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from haiga.errors import DataError
from haiga.evaluation.checks import Part, score
from haiga.models.pictures import open_picture
from haiga.models.towers import load_towers, picture_embeds, text_embeds
from haiga.records import Group

AT = (1, 5, 10)
CAPTIONS = 5
_BATCH = 64


def ranks(
    similarity: Float[Tensor, "P T"], owners: Int[Tensor, " T"]
) -> tuple[Int[Tensor, " P"], Int[Tensor, " T"]]:
    """The rank of each picture's best own text, and of each text's own picture; 1 is best.

    As the published rule has it (Karpathy and Fei-Fei 2015; LAVIS), a picture of several texts has
    the rank of the first of them, and its other texts are not in its way. Ties with others count
    against the model.

    Args:
        similarity: of each picture with each text.
        owners: the picture of each text; every picture has one or more.
    """
    own = owners[None, :] == torch.arange(len(similarity))[:, None]
    best = similarity.masked_fill(~own, -torch.inf).amax(dim=1, keepdim=True)
    of_pictures = 1 + ((similarity >= best) & ~own).sum(dim=1)
    theirs = similarity.gather(0, owners[None, :])
    return of_pictures, (similarity >= theirs).sum(dim=0)


def evaluate(
    tower: Path, groups: Sequence[Group], pictures: Mapping[str, bytes], seed: int = 0
) -> dict[str, Any]:
    """R@1, R@5, R@10 with intervals, and the median rank, both ways over held-out pictures.

    The gallery is the held-out set itself, with the first five captions of each picture.

    Raises:
        DataError: no held-out picture has a caption.
        ModelError: `tower` holds no dual encoder.
    """
    pairs = [group for group in groups if len(group.pictures) == 1]
    if not pairs:
        raise DataError("No held-out picture has a caption of the task 'describe' to retrieve.")
    towers = load_towers(tower)
    seen, read = [], []
    for start in range(0, len(pairs), _BATCH):
        part = pairs[start : start + _BATCH]
        views = [open_picture(pictures[group.pictures[0].id]) for group in part]
        seen.append(picture_embeds(towers, views))
        read.append(text_embeds(towers, [text for group in part for text in captions(group)]))
    similarity = torch.cat(seen) @ torch.cat(read).T
    owners = [at for at, group in enumerate(pairs) for _ in captions(group)]
    return both_ways(similarity, clusters=[clusters(g) for g in pairs], owners=owners, seed=seed)


def captions(group: Group) -> list[str]:
    """The first five captions of a picture: some pictures of COCO have six or seven."""
    return [answer.text for answer in group.answers if answer.kind == "chosen"][:CAPTIONS]


def clusters(group: Group) -> str:
    """The cluster of a picture's group, or the picture itself."""
    return group.cluster or group.pictures[0].id


def both_ways(
    similarity: Float[Tensor, "P T"],
    *,
    clusters: Sequence[str],
    owners: Sequence[int] | None = None,
    seed: int = 0,
    prior: Float[Tensor, " T"] | None = None,
) -> dict[str, Any]:
    """R@1, R@5, R@10 and the median rank of pictures (rows) among texts (columns) and back.

    Args:
        similarity: of each picture with each text.
        clusters: of the pictures; intervals are Wilson's, widened where clusters are shared.
        owners: the picture of each text; where none are given, text n is picture n's.
        seed: of the bootstrap.
        prior: how likely each text is without a picture, as a logarithm. It is taken off where a
            picture chooses among texts: a text that is always likely would be everybody's.

    Returns:
        "gallery" and "texts", how many there are; for "image_to_text" and "text_to_image" the
        shares "r@1", "r@5", "r@10" (mean, low, high, n) and "median_rank".
    """
    of = torch.tensor(range(len(similarity)) if owners is None else owners)
    among_texts = similarity if prior is None else similarity - prior[None, :]
    order = {
        "image_to_text": (ranks(among_texts, of)[0], list(clusters)),
        "text_to_image": (ranks(similarity, of)[1], [clusters[at] for at in of.tolist()]),
    }
    found: dict[str, Any] = {"gallery": len(similarity), "texts": len(of)}
    for name, (own, groups) in order.items():
        shares = {
            f"r@{k}": score([Part(bool(rank <= k)) for rank in own], groups, seed=seed) for k in AT
        }
        found[name] = {key: asdict(cell) for key, cell in shares.items() if cell is not None}
        found[name]["median_rank"] = float(own.float().quantile(0.5))
    return found
