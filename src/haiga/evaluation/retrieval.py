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
from haiga.models.pictures import open_picture
from haiga.models.towers import load_towers, picture_embeds, text_embeds
from haiga.records import Group
from haiga.statistics.intervals import wilson

AT = (1, 5, 10)
_BATCH = 64


def ranks(similarity: Float[Tensor, "N N"]) -> Int[Tensor, " N"]:
    """The rank of each row's own column, 1 is best; ties are counted against it."""
    own = similarity.diagonal()[:, None]
    return (similarity >= own).sum(dim=1)


def evaluate(
    tower: Path, groups: Sequence[Group], pictures: Mapping[str, bytes], seed: int = 0
) -> dict[str, Any]:
    """R@1, R@5 and R@10 in both directions over held-out pictures, each with a Wilson interval.

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
    directions = {"image_to_text": similarity, "text_to_image": similarity.T}
    return {
        "gallery": len(pairs),
        **{
            name: {
                f"r@{k}": asdict(wilson(int((ranks(matrix) <= k).sum()), len(pairs))) for k in AT
            }
            for name, matrix in directions.items()
        },
    }
