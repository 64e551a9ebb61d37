"""The noir voice: one or two sentences of a detective who has read too much into a print."""

from __future__ import annotations

from typing import Final

from numpy.random import Generator

from haiga.world.poets.captions import WHERE, nouns, words
from haiga.world.poets.lines import pick, shuffled
from haiga.world.scenes import Scene

_OPENINGS: Final = {
    "en": (
        "It was {season} {where}, and the {x} was not talking.",
        "The {setting} was the kind of place where even the {x} keeps quiet.",
        "I found the {x} {where} that {season}, right where they said it would be.",
        "{Season} had its hands around the {setting}, and the {x} knew why.",
        "The {x} had been waiting {where} since {hour}, and it looked guilty.",
        "They told me to forget the {x} and stay away from the {setting}.",
        "Nothing good ever came to this {setting}, and the {x} was no exception.",
        "By {hour} the {x} owned the {setting}, and everybody in it owed somebody.",
    ),
    "ja": (
        "{season}の{setting}、{x}は口を割らなかった。",
        "{setting}には秘密がある。{x}はそれを知っていた。",
        "{hour}の{setting}で{x}を見つけた。",
        "{x}は{setting}で誰かを待っていた。",
        "{season}だった。{setting}の{x}は嘘をついていた。",
    ),
}
_ENDINGS: Final = {
    "en": (
        "The {y} had an alibi, but nobody had asked for one.",
        "Only the {y} saw it all, and the {y} was not for sale.",
        "I asked the {y} for a name, and all I got was {weather}.",
        "Somebody had paid the {y} to look the other way.",
        "I lit a match, looked at the {y}, and knew I was too late.",
        "The {y} was a long story, and every word of it was a lie.",
        "When I turned around, the {y} was still there, like a bad debt.",
        "If the {y} could talk, half this {setting} would hang.",
    ),
    "ja": (
        "{y}だけがすべてを見ていた。",
        "{y}は何も語らない。",
        "残ったのは{y}だけだ。",
        "{y}にはアリバイがあった。",
        "誰かが{y}に金を払ったのだ。",
    ),
}
_ALONE: Final = 0.2


def noir(scene: Scene, language: str, rng: Generator) -> str:
    """A hard-boiled caption that names the setting and one or two things of `scene`."""
    first, second = shuffled(nouns(scene, language), rng)[:2]
    named = words(scene, language)
    named |= {
        "where": WHERE[scene.setting],
        "x": first,
        "y": second,
        "Season": named["season"].capitalize(),
    }
    named["weather"] = "a clear sky" if named["weather"] == "clear" else named["weather"]
    opening = pick(_OPENINGS[language], rng).format(**named)
    if rng.random() < _ALONE:
        return opening
    ending = pick(_ENDINGS[language], rng).format(**named)
    return f"{opening} {ending}" if language == "en" else opening + ending
