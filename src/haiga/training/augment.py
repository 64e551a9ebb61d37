"""Crops and flips, for training only. They exclude the cache of picture features.

What is drawn is a function of (seed, step, picture), so that a resumed run sees the same views.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Crops:
    """How pictures are varied."""

    area: tuple[float, float] = (0.6, 1.0)
    """The crop's least and greatest share of the largest crop that fits."""
    flip: float = 0.5
    """How often left and right are exchanged. 0 where pictures hold writing, or where captions say
    left and right: a flip makes those captions false."""
    distortion: float = 1.0
    """The greatest factor by which a side is stretched; 1 keeps every shape as it is."""

    def describe(self) -> str:
        """What a log must say about it."""
        stretched = (
            "shapes kept"
            if self.distortion == 1
            else f"SHAPES DISTORTED by up to {self.distortion:g} times"
        )
        least, most = self.area
        return (
            f"crops of {least:.0%} to {most:.0%}, flipped {self.flip:.0%} of the time, {stretched}"
        )


def crop_box(
    width: int, height: int, aspect: float, crops: Crops, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """A random box (left, top, right, bottom) in pixels, of `aspect` times the distortion drawn.

    The largest box of that aspect which fits the picture is shrunk to the share of area drawn, and
    placed anywhere.
    """
    limit = math.log(crops.distortion)
    aspect = aspect * math.exp(rng.uniform(-limit, limit))
    full_width = min(width, height * aspect)
    side = math.sqrt(rng.uniform(*crops.area))
    box_width, box_height = full_width * side, full_width / aspect * side
    left, top = rng.uniform(0, width - box_width), rng.uniform(0, height - box_height)
    return left, top, left + box_width, top + box_height


def vary(
    picture: Image.Image,
    crops: Crops,
    *,
    seed: int,
    step: int,
    name: str,
    size: tuple[int, int] | None = None,
) -> Image.Image:
    """One random view of `picture`, of `size` (width, height) or its own size.

    Args:
        picture: any mode that PIL can resize.
        crops: how much.
        seed: of the run.
        step: of training; each gives another view.
        name: the picture's id.
        size: of the view; a size of another aspect crops, and does not stretch.
    """
    size = size or picture.size
    rng = np.random.default_rng([seed, step, *name.encode()])
    box = crop_box(*picture.size, size[0] / size[1], crops, rng)
    view = picture.resize(size, Image.Resampling.BICUBIC, box=box)
    if rng.random() < crops.flip:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return view
