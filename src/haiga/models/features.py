"""Picture features: what a frozen tower sees, once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from haiga.models.assemble import Vlm
from haiga.models.embeddings import base_of, tower_features
from haiga.models.fit import pixels


def encode_pictures(
    vlm: Vlm, images: Sequence[Image.Image], *, batch: int = 32
) -> Float[Tensor, "N T D"]:
    """The tower's features before the projector, in the tower's dtype and on its device.

    Projected, they are what the model itself would splice in.
    """
    base = base_of(vlm.model)
    tower = base.model.vision_tower
    parts = []
    with torch.no_grad():
        for start in range(0, len(images), batch):
            chosen = pixels(vlm.processor.image_processor, images[start : start + batch])
            parts.append(tower_features(base, chosen))
    if not parts:
        shape = (0, vlm.picture_tokens, tower.config.hidden_size)
        return torch.empty(shape, dtype=tower.dtype, device=tower.device)
    return torch.cat(parts)
