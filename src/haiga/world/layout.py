"""Where on a sheet each thing stands: distinct cells, sizes, tilts. No pixels are drawn here."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from haiga.world.motifs import MOTIFS


@dataclass(frozen=True, slots=True)
class Place:
    """The square in which a thing is drawn, in pixels from the sheet's upper left corner."""

    thing: str
    left: int
    top: int
    side: int
    tilt: float
    """Degrees, clockwise."""
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Format:
    """A format of paper: width over height, and how large its things are drawn."""

    aspect: float
    share: float
    """How often it is used."""
    columns: int
    rows: int
    sizes: tuple[float, float]
    """Side of a thing over the shorter side of the print, from and to."""


FORMATS: Final = (
    Format(0.68, 0.34, 2, 3, (0.30, 0.43)),  # oban, upright
    Format(1.47, 0.28, 3, 2, (0.30, 0.43)),  # oban, lying
    Format(1.0, 0.22, 2, 2, (0.28, 0.42)),  # shikishi, square
    Format(0.78, 0.10, 2, 3, (0.29, 0.40)),  # chuban
    Format(0.42, 0.06, 1, 4, (0.46, 0.54)),  # pillar print
)


def paper(rng: Random) -> tuple[Format, int, int]:
    """A format with its width and height: every side from 300 to 900 pixels."""
    kind = rng.choices(FORMATS, [each.share for each in FORMATS])[0]
    aspect = kind.aspect * rng.uniform(0.96, 1.04)
    longest = int(min(900, 640 / min(aspect, 1 / aspect)))
    shortest = int(300 / min(aspect, 1 / aspect)) + 1
    long = rng.randint(max(420, shortest), max(longest, shortest))
    long = min(long, 900)
    short = max(300, round(long * min(aspect, 1 / aspect)))
    return kind, *((short, long) if aspect < 1 else (long, short))


def places(
    things: tuple[str, ...], kind: Format, size: tuple[int, int], rng: Random
) -> list[Place]:
    """A place for each thing, every one inside a sheet of `size` and in a cell of its own.

    Airy things lean to the upper cells and the others to the lower; nothing overlaps.
    """
    width, height = size
    cell_width, cell_height = width / kind.columns, height / kind.rows
    free = [(row, column) for row in range(kind.rows) for column in range(kind.columns)]
    out = []
    for thing in things:
        lean = 1 if MOTIFS[thing].airy else -1
        row, column = min(free, key=lambda cell: lean * cell[0] + 1.3 * rng.random())
        free.remove((row, column))
        side = rng.uniform(*kind.sizes) * min(width, height)
        side = int(min(side, cell_width * 0.97, cell_height * 0.97))
        drop = rng.random()
        if row == 0 and lean < 0:  # it has to stand on ground, so low in its cell
            drop = 0.8 + 0.2 * drop
        left = column * cell_width + rng.random() * (cell_width - side)
        top = row * cell_height + drop * (cell_height - side)
        out.append(Place(thing, int(left), int(top), side, rng.uniform(-7, 7), rng.random() < 0.5))
    return out


def horizon(spots: list[Place], height: int, rng: Random) -> int:
    """The row where the sky ends: room for the hour above it, ground under what must stand."""
    row = rng.uniform(0.34, 0.46) * height
    feet = [spot.top + 0.8 * spot.side for spot in spots if not MOTIFS[spot.thing].airy]
    return round(max(0.2 * height, min([row, *feet])))


def empty_corner(spots: list[Place], width: int, height: int, rng: Random) -> int:
    """The upper corner with fewer things: 1 for the left, -1 for the right."""
    weight = rng.uniform(-0.1, 0.1)
    for spot in spots:
        if spot.top < 0.4 * height:
            weight += (spot.left + spot.side / 2) / width - 0.5
    return 1 if weight > 0 else -1
