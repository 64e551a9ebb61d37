"""The six settings, drawn below and around the horizon; every one a function in `SETTINGS`.

Each takes a `Sheet` and draws at final size; the season is in the sheet's palette.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi, sin
from random import Random
from typing import Final

from PIL import ImageDraw

from haiga.world.colours import Palette, mix
from haiga.world.motifs.pen import RGB, Point
from haiga.world.scenes import Scene


@dataclass(frozen=True, slots=True)
class Sheet:
    """A print on the bench."""

    draw: ImageDraw.ImageDraw
    scene: Scene
    colours: Palette
    rng: Random
    width: int
    height: int
    horizon: int
    """Row of pixels at which the sky meets the ground."""
    unit: float
    """A hundredth of the shorter side, in pixels."""
    branch: int
    """The upper corner from which a branch grows: 1 for the left, -1 for the right."""

    @property
    def stroke(self) -> int:
        """Width of the keyblock's lines behind the things, in pixels."""
        return max(1, round(0.4 * self.unit))

    def shape(self, points: list[Point], fill: RGB, edge: RGB | None = None) -> None:
        """A flat area with an outline along `points`; `edge` is the keyblock unless given."""
        self.draw.polygon(points, fill=fill)
        self.draw.line([*points, *points[:2]], fill=edge or self.colours.key, width=self.stroke)


def _around(x: float, y: float, sx: float, sy: float, shape: tuple[Point, ...]) -> list[Point]:
    """A shape of unit size, scaled and set down at (x, y)."""
    return [(x + sx * u, y + sy * v) for u, v in shape]


_FLANK: Final = ((-1, 0), (-0.45, -0.58), (-0.09, -1), (0.09, -1), (0.45, -0.58), (1, 0))
_CAP: Final = (
    (-0.09, -1), (0.09, -1), (0.3, -0.72), (0.18, -0.78), (0.05, -0.66), (-0.09, -0.79),
    (-0.2, -0.68), (-0.3, -0.72),
)  # fmt: skip
_ROOF: Final = ((-0.62, -0.42), (-0.34, -1), (0.34, -1), (0.62, -0.42))
_STONE: Final = ((-1, 0.4), (-0.8, -0.3), (-0.1, -0.75), (0.7, -0.35), (1, 0.4))


def _ridge(sheet: Sheet, y: float, tall: float, fill: RGB) -> None:
    """A line of soft hills that stands on row `y`."""
    phase, waves = sheet.rng.uniform(0, 6), sheet.rng.uniform(1.2, 2.4)
    steps = [i / 24 for i in range(25)]
    top = [
        (x * sheet.width, y - tall * (0.55 + 0.45 * sin(phase + waves * 2 * pi * x))) for x in steps
    ]
    margin = sheet.stroke + 1  # the outline's ends stay outside the sheet
    sheet.shape([(-margin, y), *top, (sheet.width + margin, y)], fill)


def sea(sheet: Sheet) -> None:
    """Rows of scalloped waves, and a shore in the season's colour along the bottom."""
    c, rng, u = sheet.colours, sheet.rng, sheet.unit
    _ridge(sheet, sheet.horizon, 5 * u, c.hill)
    shore = sheet.height - rng.uniform(11, 15) * u
    y, row = float(sheet.horizon), 0
    while y < shore:
        size = (5 + 9 * (y - sheet.horizon) / max(1, shore - sheet.horizon)) * u
        shade = mix(c.water, c.snow if row % 2 else c.key, 0.10 if row % 2 else 0.08)
        left = -rng.uniform(0, size)
        crest: list[Point] = []
        while left < sheet.width:
            for t in range(7):
                crest.append((left + size * t / 6, y + 0.28 * size * (1 - sin(pi * t / 6))))
            left += size
        sheet.draw.polygon([*crest, (left, sheet.height), (crest[0][0], sheet.height)], fill=shade)
        sheet.draw.line(crest, fill=c.snow, width=sheet.stroke * 2)
        y, row = y + 0.75 * size, row + 1
    beach = [(sheet.width * i / 12, shore + 2 * u * sin(i * 1.1)) for i in range(13)]
    sheet.draw.polygon([*beach, (sheet.width, sheet.height), (0, sheet.height)], fill=c.ground)
    sheet.draw.line(beach, fill=c.snow, width=sheet.stroke * 4)


def river(sheet: Sheet) -> None:
    """A band of water that winds from the horizon to the bottom and widens."""
    c, rng, u = sheet.colours, sheet.rng, sheet.unit
    _ridge(sheet, sheet.horizon, 6 * u, c.hill)
    side, deep = rng.choice((-1, 1)), sheet.height - sheet.horizon
    middle = sheet.width * rng.uniform(0.4, 0.6)

    def bank(share: float, offset: float) -> Point:
        swing = side * sheet.width * (0.12 + 0.2 * share) * sin(share * 5.0)
        half = sheet.width * (0.05 + 0.22 * share)
        return middle + swing + offset * half, sheet.horizon + share * (deep + 3 * u)

    steps = [i / 20 for i in range(21)]
    left, right = [bank(s, -1) for s in steps], [bank(s, 1) for s in steps]
    sheet.shape([*left, *reversed(right)], c.water)
    for offset in (-0.6, -0.2, 0.2, 0.6):
        shift = rng.uniform(0, 0.3)
        flow = [bank(s, offset) for s in steps if s >= 0.1 + shift]
        sheet.draw.line(flow, fill=mix(c.water, c.snow, 0.6), width=sheet.stroke)


def mountain(sheet: Sheet) -> None:
    """Three steep peaks, the tallest with a white cap."""
    c, rng, u = sheet.colours, sheet.rng, sheet.unit
    base = sheet.horizon + 10 * u
    main = sheet.width * rng.uniform(0.3, 0.7)
    for x, tall, wide in (
        (main - sheet.width * rng.uniform(0.3, 0.4), 0.55, 0.34),
        (main + sheet.width * rng.uniform(0.3, 0.4), 0.62, 0.34),
        (main, 0.86, 0.42),
    ):
        height, half = tall * sheet.horizon + 8 * u, wide * sheet.width
        body = mix(c.hill, (70, 90, 140), 0.35 if tall > 0.8 else 0.15)
        sheet.shape(_around(x, base, half, height, _FLANK), body)
        if tall > 0.8 or sheet.scene.season == "winter":
            sheet.draw.polygon(_around(x, base, half, height, _CAP), fill=c.snow)
    ground = [(sheet.width * i / 16, base - 4 * u + 2.5 * u * sin(i * 0.9)) for i in range(17)]
    sheet.draw.polygon([*ground, (sheet.width, base + 4 * u), (0, base + 4 * u)], fill=c.ground)
    sheet.draw.line(ground, fill=c.key, width=sheet.stroke)


def _house(sheet: Sheet, x: float, y: float, size: float) -> None:
    """One gabled house that stands on row `y`."""
    c, w = sheet.colours, sheet.stroke
    sheet.draw.rectangle(
        (x - size * 0.42, y - size * 0.5, x + size * 0.42, y), fill=c.wall, outline=c.key, width=w
    )
    for dx in (-0.24, 0.08):
        sheet.draw.rectangle(
            (x + dx * size, y - size * 0.34, x + (dx + 0.16) * size, y), fill=c.wood
        )
    sheet.shape(_around(x, y, size, size, _ROOF), c.roof)
    for dx in (-0.2, 0.0, 0.2):
        sheet.draw.line(
            (x + dx * size, y - size * 0.97, x + dx * 1.7 * size, y - size * 0.44),
            mix(c.roof, c.key, 0.4),
            w,
        )


def village(sheet: Sheet) -> None:
    """Rows of gabled roofs along the horizon and down both sides."""
    rng, u = sheet.rng, sheet.unit
    _ridge(sheet, sheet.horizon, 7 * u, sheet.colours.hill)
    for y, size in ((sheet.horizon + 3 * u, 13 * u), (sheet.horizon + 16 * u, 17 * u)):
        x = rng.uniform(-0.5, 0.3) * size
        while x < sheet.width + size / 2:
            _house(sheet, x, y + rng.uniform(0, 2) * u, size * rng.uniform(0.9, 1.1))
            x += size * rng.uniform(1.3, 1.6)


def garden(sheet: Sheet) -> None:
    """A slatted fence, raked gravel, and three dark stones."""
    c, rng, u = sheet.colours, sheet.rng, sheet.unit
    w = sheet.stroke
    top, foot = sheet.horizon - 7 * u, sheet.horizon + 5 * u
    sheet.draw.rectangle((0, top, sheet.width, foot), fill=c.wood)
    for i in range(1, int(sheet.width / (3.2 * u)) + 1):
        sheet.draw.line((i * 3.2 * u, top, i * 3.2 * u, foot), fill=c.key, width=w)
    for y in (top, sheet.horizon - 2 * u, foot):
        sheet.draw.line((0, y, sheet.width, y), fill=mix(c.wood, c.wall, 0.6), width=3 * w)
    gravel = mix(c.ground, c.snow if sheet.scene.season == "winter" else c.wall, 0.45)
    shore = [(sheet.width * i / 16, foot + 7 * u + 3 * u * sin(i * 0.8)) for i in range(17)]
    sheet.draw.polygon([*shore, (sheet.width, sheet.height), (0, sheet.height)], fill=gravel)
    y, line = foot + 9 * u, mix(gravel, c.key, 0.28)
    while y < sheet.height + 3 * u:
        rake = [(sheet.width * i / 16, y + 3 * u * sin(i * 0.8)) for i in range(17)]
        sheet.draw.line(rake, fill=line, width=w)
        y += 3.6 * u
    for i in range(3):
        x = sheet.width * (0.2 + 0.3 * i + rng.uniform(-0.08, 0.08))
        y, size = rng.uniform(foot + 12 * u, sheet.height - 5 * u), rng.uniform(6, 9) * u
        for ring in (2.0, 1.6):
            box = (x - size * ring, y - size * 0.5 * ring, x + size * ring, y + size * 0.6 * ring)
            sheet.draw.ellipse(box, fill=gravel, outline=line, width=w)
        stone = _around(x, y, size, size, _STONE)
        sheet.shape(stone, c.stone)
        cap = c.snow if sheet.scene.season == "winter" else c.leaf
        sheet.draw.polygon([*stone[1:4], (x, y - size * 0.25)], fill=cap)


def field(sheet: Sheet) -> None:
    """Rows of rice that run to one point on the horizon."""
    c, rng, u = sheet.colours, sheet.rng, sheet.unit
    far = sheet.width * rng.uniform(0.35, 0.65)
    _ridge(sheet, sheet.horizon, 6 * u, c.hill)
    low, step = sheet.height, 11 * u
    dark = mix(c.leaf, c.ground, 0.35)
    for i in range(-int(3 * sheet.width / step), int(3 * sheet.width / step)):
        x = far + i * step
        sheet.draw.polygon(
            [
                (far + i * 1.6 * u, sheet.horizon),
                (far + (i + 0.5) * 1.6 * u, sheet.horizon),
                (x + step * 0.5, low),
                (x, low),
            ],
            fill=dark,
        )
    y, gap = sheet.horizon + 5 * u, 4 * u
    while y < low:
        x = rng.uniform(0, 2) * gap
        while x < sheet.width:
            for dx in (-0.3, 0.0, 0.3):
                sheet.draw.line(
                    (x, y, x + dx * gap, y - 0.55 * gap), fill=c.key, width=sheet.stroke
                )
            x += gap * 3.2
        y, gap = y + 2.4 * gap, gap * 1.25


SETTINGS: Final[Mapping[str, Callable[[Sheet], None]]] = {
    "sea": sea,
    "river": river,
    "mountain": mountain,
    "village": village,
    "garden": garden,
    "field": field,
}
