"""Paper, pigment and seal: gradients, grain, margins."""

from __future__ import annotations

from functools import lru_cache
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from haiga.world.motifs.pen import RGB

_TILE = 1024


def bokashi(size: tuple[int, int], stops: list[tuple[float, RGB]]) -> Image.Image:
    """A sheet of `size` whose colour runs smoothly down through `stops` (row in pixels, colour)."""
    width, height = size
    rows = np.arange(height)
    at = [row for row, _ in stops]
    channels = [np.interp(rows, at, [colour[i] for _, colour in stops]) for i in range(3)]
    column = np.stack(channels, axis=-1).round().astype(np.uint8)[:, None]
    return Image.fromarray(column).resize((width, height), Image.Resampling.NEAREST)


@lru_cache(maxsize=1)
def _grain() -> Image.Image:
    """Fibres of the paper and the streaks that the wood of a block leaves: near-white, fixed."""
    rng = np.random.default_rng(0x6A1)
    speck = rng.normal(0, 2.6, (_TILE, _TILE))
    streak = np.repeat(rng.normal(0, 1, (_TILE, _TILE // 64)), 64, axis=1)
    ramp = np.linspace(0, 2 * np.pi, _TILE)
    streak *= 1.6 + 1.2 * np.sin(ramp * 5)[:, None]
    tone = np.clip(248 + speck + streak, 226, 255)
    tile = tone[..., None] + np.array([0.0, -0.8, -3.0])
    return Image.fromarray(np.clip(tile, 0, 255).astype(np.uint8))


def grained(print_: Image.Image, rng: Random) -> Image.Image:
    """The print on paper: multiplied by a piece of the grain."""
    left, top = rng.randint(0, _TILE - print_.width), rng.randint(0, _TILE - print_.height)
    return ImageChops.multiply(
        print_, _grain().crop((left, top, left + print_.width, top + print_.height))
    )


def seal(draw: ImageDraw.ImageDraw, left: int, top: int, side: int, rng: Random) -> None:
    """A red cartouche with a few pale strokes, `side` wide and half as tall again."""
    tall = side * 3 // 2
    draw.rectangle((left, top, left + side, top + tall), fill=(190, 46, 40))
    pale, w = (246, 232, 210), max(1, side // 10)
    for k in range(3):
        y = top + tall * (k + 1) // 4
        a, b = sorted((rng.randint(2, side - 2), rng.randint(2, side - 2)))
        draw.line(
            (left + min(a, side // 3), y, left + max(b, side * 2 // 3), y), fill=pale, width=w
        )
    draw.line((left + side // 2, top + tall // 5, left + side // 2, top + tall * 4 // 5), pale, w)
