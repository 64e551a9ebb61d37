"""The vision towers we can put in a LLaVA, and where each keeps its picture features.

A wrong line here breaks nothing aloud: SigLIP with CLIP's strategy loses a real patch, CLIP with
SigLIP's keeps its class token among the patches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from haiga.errors import ModelError


@dataclass(frozen=True, slots=True)
class Family:
    """How a LLaVA reads the features of one kind of tower."""

    strategy: Literal["full", "default"]
    """"default" drops the first position (a class token), "full" keeps all."""
    layer: int
    """Index into the tower's hidden states; -1 is the last layer before its final norm."""
    extra_tokens: int
    """Positions that the tower puts before the patches: 1 for a class token."""
    pooling_head: bool = False
    """Whether the tower can be built without its unused pooling head (`vision_use_head`)."""


FAMILIES: Final[dict[str, Family]] = {
    "siglip": Family("full", -1, 0, pooling_head=True),
    "clip": Family("default", -2, 1),
}
"""SigLIP as in llava-interleave-qwen and LLaVA-OneVision, CLIP as in LLaVA-1.5."""

_MODEL_TYPES: Final = {
    "siglip": "siglip",
    "siglip_vision_model": "siglip",
    "clip": "clip",
    "clip_vision_model": "clip",
}


def family_of(config: Any) -> Family:
    """The family of a tower's config, of the tower alone or of a dual encoder.

    Raises:
        ModelError: a family that is not in the table.
    """
    kind = _MODEL_TYPES.get(config.model_type)
    if kind is None:
        raise ModelError(
            f"No vision family is known for model_type '{config.model_type}'. Known families: "
            f"{', '.join(FAMILIES)}. A new one is a line in models/families.py."
        )
    return FAMILIES[kind]


def vision_config(config: Any) -> Any:
    """The vision half of a tower's config; SigLIP's without the pooling head, which no LLaVA uses.

    A LLaVA reads hidden states; the head (7,087,104 parameters in siglip-base) would only be
    carried along, and could be trained without ever receiving a gradient.
    """
    family = family_of(config)
    half = getattr(config, "vision_config", config)
    half = type(half).from_dict(half.to_dict())
    if family.pooling_head:
        half.vision_use_head = False
    return half


def picture_tokens(config: Any) -> int:
    """Positions that one picture takes in the language model's sequence."""
    family = family_of(config)
    half = getattr(config, "vision_config", config)
    patches = (half.image_size // half.patch_size) ** 2
    return int(patches + family.extra_tokens - (family.strategy == "default"))
