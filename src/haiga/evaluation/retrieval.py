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
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from haiga.errors import DataError
from haiga.models.device import device
from haiga.models.fit import load_image_processor, pixels
from haiga.models.pictures import open_picture
from haiga.records import Group
from haiga.statistics.intervals import wilson

AT = (1, 5, 10)
_BATCH = 64


def ranks(similarity: Float[Tensor, "N N"]) -> Int[Tensor, " N"]:
    """The rank of each row's own column, 1 is best; ties are counted against it."""
    own = similarity.diagonal()[:, None]
    return (similarity >= own).sum(dim=1)


@torch.no_grad()
def evaluate(
    tower: Path, groups: Sequence[Group], pictures: Mapping[str, bytes], seed: int = 0
) -> dict[str, Any]:
    """R@1, R@5 and R@10 in both directions over held-out pictures, each with a Wilson interval.

    The gallery is the held-out set itself: one caption a picture, its first.

    Raises:
        DataError: no held-out picture has a caption.
    """
    pairs = [group for group in groups if len(group.pictures) == 1]
    if not pairs:
        raise DataError("No held-out picture has a caption of the task 'describe' to retrieve.")
    model = AutoModel.from_pretrained(tower).eval().to(device())
    tokenizer = AutoTokenizer.from_pretrained(tower)
    processor = load_image_processor(tower)
    length = model.config.text_config.max_position_embeddings
    seen, read = [], []
    for start in range(0, len(pairs), _BATCH):
        part = pairs[start : start + _BATCH]
        views = [open_picture(pictures[group.pictures[0].id]) for group in part]
        tokens = tokenizer(
            [group.answers[0].text for group in part],
            padding="max_length",
            max_length=length,
            truncation=True,
            return_tensors="pt",
        ).to(model.device)
        given = {"pixel_values": pixels(processor, views).to(model.device)}
        seen.append(F.normalize(model.get_image_features(**given).pooler_output, dim=-1))
        words = model.get_text_features(input_ids=tokens.input_ids).pooler_output
        read.append(F.normalize(words, dim=-1))
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
