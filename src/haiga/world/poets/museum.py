"""The museum's voice: the label beside a print, which says what is on it and then what to think."""

from __future__ import annotations

from typing import Final

from numpy.random import Generator

from haiga.world.poets.captions import WHERE, listed_things, nouns, words
from haiga.world.poets.lines import pick, shuffled
from haiga.world.scenes import Scene

_SUBJECTS: Final = {
    "en": (
        "{Season} {where}. Woodblock print, ink and colour on paper. Shown: {things}.",
        "Colour woodblock print of {things}, {season} {where}.",
        "{Things}, {season} {where}. Ink and colour on paper.",
        "Depicted here, {where} in {season}: {things}. Colour woodblock on paper.",
        "{Things} {where}, from a set of prints on {season}.",
    ),
    "ja": (
        "「{season}の{setting}」。木版多色摺。{things}を描く。",
        "{season}の{setting}を題材とした木版画。{things}を配する。",
        "木版画「{setting}の{season}」。画面には{things}が置かれている。",
        "{things}を描いた一枚。{season}の{setting}を主題とする。",
    ),
}
_REMARKS: Final = {
    "en": (
        "The artist lets the {x} carry the composition.",
        "Note the restraint with which the {x} is handled.",
        "Scholars have read the {x} as an emblem of passing time.",
        "The {hour} is rendered in a few flat tones.",
        "Visitors often remark on the {x}.",
        "The {x} and the {y} are held in careful balance.",
        "The {x} follows a model known from earlier albums.",
        "With a few lines the carver suggests {weather}.",
        "The {y} is a later motif, rarely seen beside the {x}.",
        "The treatment of the {y} is typical of the period.",
    ),
    "ja": (
        "{x}の扱いに絵師の腕が表れている。",
        "{x}は移ろう時の象徴とされる。",
        "{hour}の光を淡い色で表している。",
        "{x}と{y}の釣り合いに注目したい。",
        "余白を生かした静かな構図である。",
        "{weather}の表現に摺師の技が見える。",
        "{y}の描き方は当時の典型である。",
    ),
}


def museum(scene: Scene, language: str, rng: Generator) -> str:
    """A label that names all things of `scene`, its setting and its season, and one remark."""
    first, second = shuffled(nouns(scene, language), rng)[:2]
    named = words(scene, language)
    things = listed_things(scene, language, rng)
    named |= {
        "where": WHERE[scene.setting],
        "things": things,
        "Things": things[0].upper() + things[1:],
        "Season": named["season"].capitalize(),
        "x": first,
        "y": second,
    }
    if language == "en" and scene.weather == "clear":
        named["weather"] = "a clear sky"
    label = pick(_SUBJECTS[language], rng).format(**named)
    remark = pick(_REMARKS[language], rng).format(**named)
    return f"{label} {remark}" if language == "en" else label + remark
