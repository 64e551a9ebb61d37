"""Every thing of the floating world, by name: how it looks, whether it belongs in the air."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from haiga.world.motifs import creatures, makings, plants
from haiga.world.motifs.pen import RGB, Pen


@dataclass(frozen=True, slots=True)
class Motif:
    """How one thing is drawn."""

    draw: Callable[[Pen], None]
    """Draws it in the unit square, almost filling it."""
    airy: bool = False
    """Likes the upper part of a print."""


MOTIFS: Final[Mapping[str, Motif]] = {
    "boat": Motif(makings.boat),
    "bridge": Motif(makings.bridge),
    "crane": Motif(creatures.crane),
    "pine": Motif(plants.pine),
    "moon": Motif(makings.moon, airy=True),
    "lantern": Motif(makings.lantern, airy=True),
    "torii": Motif(makings.torii),
    "umbrella": Motif(makings.umbrella),
    "willow": Motif(plants.willow),
    "cat": Motif(creatures.cat),
    "kite": Motif(makings.kite, airy=True),
    "bamboo": Motif(plants.bamboo),
    "pagoda": Motif(makings.pagoda),
    "carp": Motif(creatures.carp),
    "horse": Motif(creatures.horse),
    "butterfly": Motif(creatures.butterfly, airy=True),
    "frog": Motif(creatures.frog),
    "fan": Motif(makings.fan, airy=True),
    "drum": Motif(makings.drum),
    "crow": Motif(creatures.crow, airy=True),
}

INKS: Final[Mapping[str, RGB]] = {
    "key": (38, 32, 40),
    "black": (34, 32, 38),
    "slate": (88, 90, 104),
    "stone": (150, 146, 138),
    "white": (250, 246, 236),
    "cream": (240, 226, 190),
    "red": (196, 44, 40),
    "vermilion": (226, 82, 44),
    "orange": (240, 146, 50),
    "glow": (252, 214, 130),
    "ginger": (222, 142, 66),
    "gold": (230, 182, 66),
    "yellow": (246, 214, 70),
    "moon": (250, 232, 150),
    "moonlight": (253, 243, 186),
    "brown": (140, 84, 50),
    "bark": (100, 66, 48),
    "pine": (34, 88, 62),
    "moss": (106, 146, 92),
    "leaf": (96, 172, 66),
    "jade": (120, 176, 96),
    "sprout": (178, 206, 104),
    "turquoise": (66, 170, 176),
    "blue": (44, 84, 152),
    "tile": (82, 102, 130),
    "purple": (128, 66, 140),
    "pink": (236, 150, 164),
}
