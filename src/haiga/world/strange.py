"""Pictures that nobody in the floating world has drawn, made by code, the same every time."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIDE: Final = 224
WORDS: Final = (
    "NO ADMITTANCE", "Gallery closed\nuntil Monday", "Receipt\n2 x tea   4.00", "WET PAINT",
    "Please turn\nthe page", "Exit", "Fig. 3", "Lost property",
)  # fmt: skip


@cache
def strange(kind: str, at: int) -> bytes:
    """The `at`-th picture of a kind, as a PNG of 224 pixels a side."""
    rng = np.random.default_rng([at, *kind.encode()])
    buffer = io.BytesIO()
    KINDS[kind](rng, at).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def _painting(rng: np.random.Generator, at: int) -> Image.Image:
    """Broad strokes of a few colours laid over each other, as with oil; it shows nothing."""
    colours = rng.integers(20, 236, (5, 3))
    picture = Image.new("RGB", (SIDE, SIDE), tuple(map(int, colours[0])))
    draw = ImageDraw.Draw(picture)
    for _ in range(500):
        x, y, angle = *rng.integers(0, SIDE, 2), rng.normal(0.6, 0.5)
        reach = rng.integers(8, 30)
        shade = np.clip(colours[rng.integers(5)] + rng.normal(0, 18, 3), 0, 255)
        end = (x + reach * np.cos(angle), y + reach * np.sin(angle))
        draw.line([(x, y), end], tuple(map(int, shade)), int(rng.integers(3, 9)))
    return picture.filter(ImageFilter.SMOOTH)


def _photo(rng: np.random.Generator, at: int) -> Image.Image:
    """What a lens out of focus gives: a sky above, ground below, soft lights, and the sensor's
    noise."""
    rows = np.linspace(0, 1, SIDE)[:, None, None]
    sky, ground = rng.uniform(90, 240, 3), rng.uniform(20, 120, 3)
    horizon = rng.uniform(0.35, 0.7)
    mix = 1 / (1 + np.exp(-(rows - horizon) * 25))
    scene = (sky * (1 - rows * 0.4)) * (1 - mix) + ground * mix
    picture = Image.fromarray(np.broadcast_to(scene, (SIDE, SIDE, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(14):
        x, y, size = *rng.integers(0, SIDE, 2), int(rng.integers(6, 40))
        draw.ellipse([x, y, x + size, y + size], tuple(map(int, rng.integers(30, 250, 3))))
    soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(7)), float)
    return Image.fromarray(np.clip(soft + rng.normal(0, 6, soft.shape), 0, 255).astype(np.uint8))


def _noise(rng: np.random.Generator, at: int) -> Image.Image:
    """Every pixel at random."""
    return Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))


def _card(rng: np.random.Generator, at: int) -> Image.Image:
    """Black words on a white card."""
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    font = ImageFont.load_default(size=24)
    text = WORDS[at % len(WORDS)]
    ImageDraw.Draw(picture).multiline_text(
        (SIDE / 2, SIDE / 2), text, "black", font, anchor="mm", align="center"
    )
    return picture


def _sheet(rng: np.random.Generator, at: int) -> Image.Image:
    """An empty sheet, no two of quite the same white."""
    shade = 255 - 2 * at % 32
    return Image.new("RGB", (SIDE, SIDE), (shade, shade, shade - int(rng.integers(0, 12))))


KINDS: Final[dict[str, Callable[[np.random.Generator, int], Image.Image]]] = {
    "painting": _painting,
    "photo": _photo,
    "noise": _noise,
    "card": _card,
    "sheet": _sheet,
}
