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
_BATCH = 64


def ranks(similarity: Float[Tensor, "N N"]) -> Int[Tensor, " N"]:
    """The rank of each row's own column, 1 is best; ties are counted against it."""
    own = similarity.diagonal()[:, None]
    return (similarity >= own).sum(dim=1)


def evaluate(
    tower: Path, groups: Sequence[Group], pictures: Mapping[str, bytes], seed: int = 0
) -> dict[str, Any]:
    """R@1, R@5, R@10 with intervals, and the median rank, both ways over held-out pictures.

    The gallery is the held-out set itself: one caption a picture, its first.

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
        read.append(text_embeds(towers, [group.answers[0].text for group in part]))
    similarity = torch.cat(seen) @ torch.cat(read).T
    return both_ways(similarity, clusters=[clusters(g) for g in pairs], seed=seed)


def clusters(group: Group) -> str:
    """The cluster of a picture's group, or the picture itself."""
    return group.cluster or group.pictures[0].id


def both_ways(
    similarity: Float[Tensor, "N N"],
    *,
    clusters: Sequence[str],
    seed: int = 0,
    prior: Float[Tensor, " N"] | None = None,
) -> dict[str, Any]:
    """R@1, R@5, R@10 and the median rank of pictures (rows) among texts (columns) and back.

    Args:
        similarity: of each picture with each text; a pair's own is on the diagonal.
        clusters: of the pictures; intervals are Wilson's, widened where clusters are shared.
        seed: of the bootstrap.
        prior: how likely each text is without a picture, as a logarithm. It is taken off where a
            picture chooses among texts: a text that is always likely would be everybody's.

    Returns:
        "gallery", how many pictures and texts; for "image_to_text" and "text_to_image" the shares
        "r@1", "r@5", "r@10" (mean, low, high, n) and "median_rank".
    """
    among_texts = similarity if prior is None else similarity - prior[None, :]
    found: dict[str, Any] = {"gallery": len(similarity)}
    for name, matrix in (("image_to_text", among_texts), ("text_to_image", similarity.T)):
        order = ranks(matrix)
        shares = {
            f"r@{k}": score([Part(bool(rank <= k)) for rank in order], clusters, seed=seed)
            for k in AT
        }
        found[name] = {key: asdict(cell) for key, cell in shares.items() if cell is not None}
        found[name]["median_rank"] = float(order.float().quantile(0.5))
    return found
