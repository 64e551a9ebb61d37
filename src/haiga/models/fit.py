"""How a picture of any shape becomes the tower's square, by a processor saved with the model.

The processor does all of it, so that training, our own answers and other engines see the same
pixels. One class serves all three ways; Pillow's version of it, on every machine, because the
torchvision version resizes a little differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from jaxtyping import Float
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, LlavaImageProcessorPil

from haiga.errors import ModelError
from haiga.models.weights import readable

FITS: Final = {
    "pad": "the whole picture on a square of the tower's mean colour (LLaVA-1.5)",
    "crop": "shorter side to the tower's size, then the centre",
    "squash": "both sides to the tower's size, distorted; for parity with others only",
}


def image_processor(tower_processor: Any, side: int, fit: str) -> LlavaImageProcessorPil:
    """The processor that fits pictures to `side` x `side` with the tower's own normalisation.

    `crop_size` is stated in each, also where it changes nothing, because LlavaProcessor counts a
    picture's tokens by it when an engine asks.

    Raises:
        ModelError: an unknown `fit`.
    """
    if fit not in FITS:
        raise ModelError(f"No fit is called '{fit}'; pictures are fitted by: {', '.join(FITS)}.")
    square = {"height": side, "width": side}
    return LlavaImageProcessorPil(
        do_pad=fit == "pad",
        size=square if fit == "squash" else {"shortest_edge": side},
        crop_size=square,
        do_center_crop=True,
        resample=tower_processor.resample,
        rescale_factor=tower_processor.rescale_factor,
        image_mean=list(tower_processor.image_mean),
        image_std=list(tower_processor.image_std),
    )


def load_image_processor(folder: str | Path) -> Any:
    """The image processor of a checkpoint, in Pillow's version.

    Raises:
        ModelError: there is none that can be read.
    """
    with readable(folder):
        return AutoImageProcessor.from_pretrained(folder, backend="pil")


def pixels(processor: Any, images: Sequence[Image.Image]) -> Float[Tensor, "N C H W"]:
    """The pictures as the tower takes them."""
    return processor(images=list(images), return_tensors="pt")["pixel_values"]
