"""Two towers that share a space (CLIP, SigLIP, their kin): pictures and texts as unit vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from haiga.errors import ModelError
from haiga.models.device import device
from haiga.models.fit import load_image_processor, pixels
from haiga.models.weights import readable


@dataclass(frozen=True)
class Towers:
    """A dual encoder, ready for use."""

    model: Any
    tokenizer: Any
    processor: Any

    @property
    def longest(self) -> int:
        """The tokens of a text that are read; what comes after them is not."""
        return int(self.model.config.text_config.max_position_embeddings)


def load_towers(source: str | Path) -> Towers:
    """The frozen dual encoder of a folder or of the hub, on this process's device.

    Raises:
        ModelError: it is no checkpoint that can be read, or has not both towers.
    """
    with readable(source):
        model = AutoModel.from_pretrained(source)
        tokenizer = AutoTokenizer.from_pretrained(source)
    if not hasattr(model, "get_image_features") or not hasattr(model, "get_text_features"):
        raise ModelError(
            f"{source} is a {type(model).__name__}, which has not a tower for pictures and one for "
            "texts. Name a CLIP or a SigLIP."
        )
    frozen = model.eval().requires_grad_(False).to(device())
    return Towers(frozen, tokenizer, load_image_processor(source))


@torch.no_grad()
def picture_embeds(
    towers: Towers, images: Sequence[Image.Image], *, batch: int = 64
) -> Float[Tensor, "N D"]:
    """Pictures in the shared space, of unit length, in float32 on the CPU."""
    parts = []
    for start in range(0, len(images), batch):
        chosen = pixels(towers.processor, images[start : start + batch])
        chosen = chosen.to(towers.model.device, towers.model.dtype)
        parts.append(towers.model.get_image_features(pixel_values=chosen).pooler_output)
    return _units(parts)


@torch.no_grad()
def text_embeds(towers: Towers, texts: Sequence[str], *, batch: int = 256) -> Float[Tensor, "N D"]:
    """The first `longest` tokens of texts in the same space, of unit length, likewise."""
    parts = []
    for start in range(0, len(texts), batch):
        tokens = towers.tokenizer(
            list(texts[start : start + batch]),
            padding="max_length",
            max_length=towers.longest,
            truncation=True,
            return_tensors="pt",
        ).to(towers.model.device)
        # SigLIP was trained on padded texts without a mask, and reads the last position.
        mask = None if hasattr(towers.model, "logit_bias") else tokens.attention_mask
        parts.append(
            towers.model.get_text_features(
                input_ids=tokens.input_ids, attention_mask=mask
            ).pooler_output
        )
    return _units(parts)


def _units(parts: Sequence[Float[Tensor, "N D"]]) -> Float[Tensor, "N D"]:
    if not parts:
        return torch.empty(0, 0)
    return F.normalize(torch.cat(list(parts)).float(), dim=-1).cpu()
