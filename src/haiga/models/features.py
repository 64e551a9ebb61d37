"""Picture features: what the frozen tower sees once, and what the projector makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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

    The same layer and positions as `LlavaModel.get_image_features` takes, so that
    `project(model, encode_pictures(vlm, images))` is what the model itself would splice in.
    """
    base = base_of(vlm.model)
    tower = base.model.vision_tower
    parts = []
    with torch.no_grad():
        for start in range(0, len(images), batch):
            chosen = pixels(vlm.processor.image_processor, images[start : start + batch])
            parts.append(tower_features(base, chosen))
    if not parts:
        return torch.empty(0, vlm.picture_tokens, tower.config.hidden_size, dtype=tower.dtype)
    return torch.cat(parts)


def project(model: Any, features: Float[Tensor, "N T D"]) -> Float[Tensor, "N T H"]:
    """Features as the language model reads them.

    Computed in the projector's own dtype (float32, as assembled), and only then cast to the
    language model's.
    """
    base = base_of(model)
    projector = base.model.multi_modal_projector
    weight = next(projector.parameters())
    out = projector(features.to(weight.device, weight.dtype))
    return out.to(base.get_input_embeddings().weight.dtype)
