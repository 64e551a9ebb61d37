"""The colours of seasons and hours, as RGB; what a print's light does to a flat colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from haiga.world.motifs.pen import RGB
from haiga.world.scenes import Scene

PAPER: Final[RGB] = (246, 238, 218)
KEY: Final[RGB] = (38, 34, 44)

SKIES: Final[Mapping[str, tuple[RGB, RGB, RGB]]] = {
    "dawn": ((158, 190, 216), (250, 222, 200), (242, 138, 126)),
    "day": ((84, 146, 198), (196, 222, 230), (244, 238, 220)),
    "dusk": ((98, 72, 134), (214, 112, 96), (252, 172, 74)),
    "night": ((14, 20, 58), (28, 42, 98), (58, 80, 138)),
}
"""From the top of the sky, through its middle, to the horizon."""

LIGHT: Final[Mapping[str, tuple[float, float, float]]] = {
    "dawn": (1.0, 0.95, 0.94),
    "day": (1.0, 1.0, 1.0),
    "dusk": (0.98, 0.89, 0.87),
    "night": (0.50, 0.56, 0.76),
}


@dataclass(frozen=True, slots=True)
class Palette:
    """The flat colours of one print, already in the light of its hour."""

    sky: tuple[RGB, RGB, RGB]
    ground: RGB
    hill: RGB
    water: RGB
    leaf: RGB
    stone: RGB
    wall: RGB
    roof: RGB
    wood: RGB
    snow: RGB
    mist: RGB
    key: RGB


_GROUNDS: Final[Mapping[str, Mapping[str, RGB]]] = {
    "spring": {"ground": (176, 200, 112), "hill": (138, 180, 122), "water": (120, 180, 200),
               "leaf": (120, 176, 84), "roof": (120, 128, 140)},
    "summer": {"ground": (66, 138, 76), "hill": (36, 100, 84), "water": (30, 98, 176),
               "leaf": (28, 96, 60), "roof": (84, 98, 122)},
    "autumn": {"ground": (214, 164, 82), "hill": (196, 92, 52), "water": (84, 134, 150),
               "leaf": (206, 72, 40), "roof": (124, 92, 70)},
    "winter": {"ground": (242, 243, 244), "hill": (216, 224, 234), "water": (146, 176, 196),
               "leaf": (120, 120, 116), "roof": (250, 250, 250)},
}  # fmt: skip


def lit(colour: RGB, light: tuple[float, float, float]) -> RGB:
    """`colour` under a light, channel by channel."""
    r, g, b = (min(255, round(c * x)) for c, x in zip(colour, light, strict=True))
    return r, g, b


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """`a` with `share` of `b` in it."""
    r, g, b_ = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return r, g, b_


def tinted(colour: RGB, rng: Random, spread: int = 10) -> RGB:
    """`colour`, each channel moved by up to `spread` levels, as no two pulls of a print agree."""
    r, g, b = (max(0, min(255, c + rng.randint(-spread, spread))) for c in colour)
    return r, g, b


def palette(scene: Scene, rng: Random) -> Palette:
    """The colours of this pull of a scene."""
    light = LIGHT[scene.hour]
    grounds = _GROUNDS[scene.season]
    top, middle, low = (tinted(c, rng, 8) for c in SKIES[scene.hour])
    if scene.weather == "rain":
        grey = lit((120, 128, 142), light)
        top, middle = mix(top, grey, 0.45), mix(middle, grey, 0.25)
    if scene.weather == "mist":
        middle = mix(middle, lit(PAPER, light), 0.25)
    own = {name: lit(tinted(colour, rng), light) for name, colour in grounds.items()}
    return Palette(
        sky=(top, middle, low),
        stone=lit((140, 138, 136), light),
        wall=lit((238, 220, 184), light),
        wood=lit((112, 76, 54), light),
        snow=lit((252, 252, 252), tuple(min(1.0, x * 1.25) for x in light)),  # type: ignore[arg-type]
        mist=lit((250, 244, 230), tuple(min(1.0, x * 1.2) for x in light)),  # type: ignore[arg-type]
        key=KEY,
        **own,
    )
