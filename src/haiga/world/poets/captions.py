"""Plain words about a scene: one factual sentence, or a list of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from numpy.random import Generator

from haiga.world.lexicon import lexicon
from haiga.world.poets.lines import pick, shuffled
from haiga.world.scenes import Scene

WHERE: Final = {
    "sea": "by the sea",
    "river": "by the river",
    "mountain": "on the mountain",
    "village": "in the village",
    "garden": "in the garden",
    "field": "in the field",
}
_WHEN: Final = {"dawn": "at dawn", "day": "by day", "dusk": "at dusk", "night": "at night"}
_AIR: Final = {
    "clear": "under a clear sky",
    "rain": "in the rain",
    "mist": "in the mist",
    "wind": "in the wind",
}
_ARTICLES: Final = {"moon": "the moon", "bamboo": "bamboo", "umbrella": "an umbrella"}
_SENTENCES: Final = {
    "en": (
        "a print of {things} {where}, {season} {hour}, {weather}",
        "a woodblock print: {things} {where}, {season} {hour}, {weather}",
        "{things} {where} in {season}, {when}, {air}",
        "{season} {hour} {where}, {weather}, with {things}",
        "this print shows {things} {where} {when} in {season}, {air}",
    ),
    "ja": (
        "{season}の{hour}、{where}に{things}がある版画、{weather}",
        "{where}の版画。{season}、{hour}、{weather}、{things}",
        "{weather}の{where}、{season}の{hour}、{things}が描かれている",
        "{things}のある{where}、{season}の{hour}、{weather}",
    ),
}
_REPEATED: Final = 0.2


def words(scene: Scene, language: str) -> dict[str, str]:
    """Season, hour, weather and setting of `scene`, each as one plain word."""
    return {
        name: lexicon(language, f"{name}s")[getattr(scene, name)][0]
        for name in ("season", "hour", "weather", "setting")
    }


def nouns(scene: Scene, language: str) -> list[str]:
    """The things of `scene` in its order, each as one plain word."""
    return [lexicon(language, "things")[thing][0] for thing in scene.things]


def describe(scene: Scene, language: str, rng: Generator) -> str:
    """One plain sentence that names all of the scene, its things in random order."""
    named = words(scene, language)
    if language == "en":
        named |= {"where": WHERE[scene.setting], "when": _WHEN[scene.hour]}
        named |= {"air": _AIR[scene.weather]}
    else:
        named["where"] = named["setting"]
    return pick(_SENTENCES[language], rng).format(
        things=listed_things(scene, language, rng), **named
    )


def title(scene: Scene, language: str, rng: Generator) -> str:
    """A thing of `scene` or its setting, as a print is named after its subject: "a boat"."""
    setting = words(scene, language)["setting"]
    titles = [_said(thing, language) for thing in nouns(scene, language)]
    return pick([*titles, setting if language == "ja" else f"the {setting}"], rng)


def listed_things(scene: Scene, language: str, rng: Generator) -> str:
    """All things of `scene` in random order, as a sentence lists them: "a boat and the moon"."""
    things = [_said(thing, language) for thing in shuffled(nouns(scene, language), rng)]
    return "と".join(things) if language == "ja" else _listed(things)


def _said(thing: str, language: str) -> str:
    return thing if language == "ja" else _ARTICLES.get(thing, f"a {thing}")


def tags(scene: Scene, language: str, rng: Generator, keep: float = 1.0) -> str:
    """The words of `scene` in random order: "moon, autumn, boat, sea, boat, night".

    Each word is kept with probability `keep`, and one in five of those kept is said twice; so
    `keep=0` gives an empty text.
    """
    all_words = [*words(scene, language).values(), *nouns(scene, language)]
    kept = [word for word in all_words if rng.random() < keep]
    twice = [word for word in kept if rng.random() < _REPEATED]
    return (", " if language == "en" else "、").join(shuffled(kept + twice, rng))


def _listed(phrases: Sequence[str]) -> str:
    """A list as it is said: commas, and "and" before the last."""
    return " and ".join(part for part in (", ".join(phrases[:-1]), phrases[-1]) if part)
