"""Picture features: what a frozen tower sees, once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from haiga.models.assemble import Vlm
from haiga.models.embeddings import tower_features
from haiga.models.fit import pixels


def encode_pictures(
    vlm: Vlm, images: Sequence[Image.Image], *, batch: int = 32
) -> Float[Tensor, "N T D"]:
    """What the tower says of pictures, before any weight that is new; in the tower's dtype and on
    its device."""
    tower = vlm.tower
    parts = []
    with torch.no_grad():
        for start in range(0, len(images), batch):
            chosen = pixels(vlm.processor.image_processor, images[start : start + batch])
            parts.append(tower_features(vlm.model, chosen))
    if not parts:
        shape = (0, vlm.picture_tokens, tower.config.hidden_size)
        return torch.empty(shape, dtype=tower.dtype, device=tower.device)
    return torch.cat(parts)
