"""Scenes of the floating world: what there is to see, decided before anyone draws or writes it.

A scene has a season, an hour, weather, a setting and two to four things. Things are drawn
independently of setting and season, so that the rest of a scene tells nothing about them: a
writer who has not seen the picture can only guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

SEASONS: Final = ("spring", "summer", "autumn", "winter")
HOURS: Final = ("dawn", "day", "dusk", "night")
WEATHERS: Final = ("clear", "rain", "mist", "wind")
SETTINGS: Final = ("sea", "river", "mountain", "village", "garden", "field")
THINGS: Final = (
    "boat", "bridge", "crane", "pine", "moon", "lantern", "torii", "umbrella", "willow", "cat",
    "kite", "bamboo", "pagoda", "carp", "horse", "butterfly", "frog", "fan", "drum", "crow",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scene:
    """The truth of one print."""

    id: str
    season: str
    hour: str
    weather: str
    setting: str
    things: tuple[str, ...]
    """Two to four of `THINGS`, each once, in the order in which the printer places them."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as kept in a group's `meta["scene"]`."""
        return {
            "id": self.id,
            "season": self.season,
            "hour": self.hour,
            "weather": self.weather,
            "setting": self.setting,
            "things": list(self.things),
        }

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Scene:
        return cls(**{**row, "things": tuple(row["things"])})


def scene(seed: int, index: int) -> Scene:
    """The `index`-th scene of the world with this `seed`; each index stands on its own."""
    rng = np.random.default_rng((seed, index, 0x5CE4E))
    count = int(rng.integers(2, 5))
    return Scene(
        id=f"{seed:d}-{index:06d}",
        season=str(rng.choice(SEASONS)),
        hour=str(rng.choice(HOURS)),
        weather=str(rng.choice(WEATHERS)),
        setting=str(rng.choice(SETTINGS)),
        things=tuple(str(thing) for thing in rng.choice(THINGS, size=count, replace=False)),
    )
