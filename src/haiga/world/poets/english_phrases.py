"""The words of the English haiku: each thing, season, setting, hour and weather in phrases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_NOUNS: Final = {
    "boat": ("boat", "small old empty slow wooden lone"),
    "bridge": ("bridge", "old long wooden silent steep"),
    "crane": ("crane", "white lone pale patient silent tired"),
    "pine": ("pine", "old dark tall bent patient silent"),
    "moon": ("moon", "pale white far lonely patient silent"),
    "lantern": ("lantern", "small paper lone lonely pale red"),
    "torii": ("gate", "red old wooden silent lone"),
    "umbrella": ("umbrella", "paper small red"),
    "willow": ("willow", "old young thin gentle silent"),
    "cat": ("cat", "small old sleeping patient thin silent"),
    "kite": ("kite", "small red paper lone far"),
    "bamboo": ("bamboo", "young tall wild silent dark gentle"),
    "pagoda": ("pagoda", "old dark silent far"),
    "carp": ("carp", "slow old silent red patient"),
    "horse": ("horse", "old tired patient white lone gentle"),
    "butterfly": ("butterfly", "small white young tired"),
    "frog": ("frog", "small old patient lone sleeping"),
    "fan": ("fan", "paper small red forgotten"),
    "drum": ("drum", "old silent wooden forgotten"),
    "crow": ("crow", "old lone dark patient silent"),
}
_VERBS: Final = {
    "boat": "waits drifts rocks rests returns",
    "bridge": "waits leans stands bends sleeps",
    "crane": "waits stands bows rests listens",
    "pine": "leans stands sways waits listens",
    "moon": "waits hangs glows shines returns",
    "lantern": "glows sways hangs shines waits",
    "torii": "stands waits opens leans listens",
    "umbrella": "waits leans opens turns rests",
    "willow": "leans sways bends listens waits",
    "cat": "sleeps waits yawns sits dreams listens",
    "kite": "climbs tugs hangs sways returns",
    "bamboo": "sways bends leans listens waits",
    "pagoda": "stands waits leans sleeps listens",
    "carp": "turns rests drifts swims sleeps",
    "horse": "waits stands rests sleeps listens",
    "butterfly": "drifts rests turns sleeps passes",
    "frog": "sits waits leaps sleeps listens",
    "fan": "rests waits opens lies sleeps",
    "drum": "waits rests sleeps stands listens",
    "crow": "waits calls sits turns listens",
}
_MASS: Final = {"bamboo"}
_UNIQUE: Final = {"moon"}
_SKY: Final = ("moon", "kite")


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _phrases(thing: str) -> tuple[str, ...]:
    """Noun phrases: with and without an adjective, with each article that the noun takes."""
    noun, adjectives = _NOUNS[thing]
    described = [f"{adjective} {noun}" for adjective in adjectives.split()]
    if thing in _MASS:
        return noun, f"the {noun}", *described, *(f"the {phrase}" for phrase in described)
    if thing in _UNIQUE:
        return (
            f"the {noun}",
            *(f"{article} {phrase}" for article in ("a", "the") for phrase in described),
        )
    indefinite = [f"{_article(phrase)} {phrase}" for phrase in (noun, *described)]
    definite = [f"the {phrase}" for phrase in (noun, *described)]
    return (*indefinite, *definite, f"one {noun}")


_HOURS: Final = {
    "dawn": ("dawn", "daybreak", "sunrise", "morning"),
    "day": ("day", "noon", "midday", "afternoon"),
    "dusk": ("dusk", "twilight", "nightfall", "sunset"),
    "night": ("night", "midnight"),
}

TABLES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "np": {thing: _phrases(thing) for thing in _NOUNS},
    "noun": {thing: (noun,) for thing, (noun, _) in _NOUNS.items()},
    # What hangs in the sky goes over a place, all else is in it: an empty phrase admits a template.
    "ground": {thing: ("",) for thing in _NOUNS if thing not in _SKY},
    "over": dict.fromkeys(_SKY, ("over", "above", "high above", "far above")),
    "does": {thing: tuple(verbs.split()) for thing, verbs in _VERBS.items()},
    "name": {season: (season,) for season in ("spring", "summer", "autumn", "winter")},
    "kigo": {
        "spring": (
            "cherry blossoms fall",
            "blossoms come and go",
            "cherry blossoms wait",
            "plum blossoms open",
            "blossoms on the path",
            "the first plum blossoms",
            "blossoms without end",
            "white plum blossoms drift",
        ),
        "summer": (
            "cicadas singing",
            "lotus leaves open",
            "cicadas, then none",
            "the heat has no end",
            "so long is the heat",
            "in the heat, no words",
            "the heat stands so still",
            "lotus on the path",
        ),
        "autumn": (
            "maple leaves drifting",
            "maples, one by one",
            "red leaves on the path",
            "red leaves, one by one",
            "the maples let go",
            "red leaves come and go",
            "maple leaves let go",
            "the first red leaves fall",
        ),
        "winter": (
            "new snow on the path",
            "snow without a sound",
            "so deep is the snow",
            "frost on the old stones",
            "snow upon more snow",
            "white frost on the path",
            "the first snow lies deep",
            "frost, and then more frost",
        ),
    },
    "where": {
        "sea": (
            "by the sea",
            "near the sea",
            "on the shore",
            "by the waves",
            "beside the sea",
            "close to the sea",
            "along the shore",
            "beside the waves",
            "by the endless sea",
            "on the empty shore",
            "near the sleeping sea",
            "at the edge of the sea",
        ),
        "river": (
            "by the stream",
            "near the stream",
            "by the river",
            "near the river",
            "beside the stream",
            "along the stream",
            "by the slow river",
            "beside the river",
            "along the river",
            "on the riverbank",
            "where the river turns",
        ),
        "mountain": (
            "on the slope",
            "near the peak",
            "on the peak",
            "on the steep slope",
            "near the mountain",
            "below the peak",
            "high on the slope",
            "on the mountain",
            "under the mountain",
            "beside the mountain",
            "by the old mountain",
            "where the mountain ends",
        ),
        "village": (
            "in the town",
            "near the town",
            "in the village",
            "in the old town",
            "near the village",
            "beyond the town",
            "behind the village",
            "in the small village",
            "in the old village",
            "where the village sleeps",
        ),
        "garden": (
            "in the yard",
            "near the yard",
            "in the garden",
            "near the garden",
            "in the old yard",
            "by the garden path",
            "deep in the garden",
            "in the old garden",
            "in the small garden",
            "where the garden ends",
        ),
        "field": (
            "in the field",
            "near the field",
            "across the field",
            "beside the field",
            "in the wide field",
            "in the meadow",
            "across the meadow",
            "in the empty field",
            "near the sleeping field",
            "where the meadow ends",
        ),
    },
    "place": {
        "sea": ("sea", "shore"),
        "river": ("river", "stream"),
        "mountain": ("mountain", "peak"),
        "village": ("village", "town"),
        "garden": ("garden", "yard"),
        "field": ("field", "meadow"),
    },
    "hour": _HOURS,
    "air": {
        "clear": ("clear sky", "clear air"),
        "rain": ("rain", "soft rain", "slow rain"),
        "mist": ("mist", "soft mist", "slow mist"),
        "wind": ("wind", "soft wind", "long wind"),
    },
}
