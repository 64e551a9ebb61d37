"""Haiku about a scene: the good voice, exact and true, and the bare one, wrong or empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from numpy.random import Generator

from haiga.errors import DataError
from haiga.world.poets.english import GRAMMAR as ENGLISH
from haiga.world.poets.japanese import GRAMMAR as JAPANESE
from haiga.world.poets.japanese import reading
from haiga.world.poets.lines import Grammar, Names, pick, shuffled, write
from haiga.world.scenes import THINGS, Scene

GRAMMARS: Final = {"en": ENGLISH, "ja": JAPANESE}
FORM: Final = (5, 7, 5)
_OTHER_COUNTS: Final = {5: (3, 4, 6, 7), 7: (5, 6, 8, 9)}
_NAMED: Final = (1, 2, 2, 2, 2, 3)
"""How many things a haiku names, each entry as likely as another: mostly two."""


def grammar_of(language: str) -> Grammar:
    """The grammar of "en" or "ja"; DataError for another language."""
    if language not in GRAMMARS:
        raise DataError(f"The poets write no {language!r}; choose one of: {', '.join(GRAMMARS)}.")
    return GRAMMARS[language]


def haiku(scene: Scene, language: str, rng: Generator) -> str:
    """Three lines of 5-7-5 that name the season, the setting and one to three things of `scene`."""
    return _poem(scene, min(pick(_NAMED, rng), len(scene.things)), language, FORM, rng)


def haiku_with_reading(scene: Scene, rng: Generator) -> tuple[str, str]:
    """A Japanese haiku and its kana, line by line."""
    poem = haiku(scene, "ja", rng)
    return poem, reading(poem)


def bare(scene: Scene, language: str, rng: Generator, wrong: float = 0.5) -> str:
    """A haiku that anyone could do without.

    With probability `wrong` it is wrong, evenly in fact (it names a thing that is not in the scene)
    or in form (one line has another count); else it is true in form and names nothing of the scene.
    """
    if rng.random() >= wrong:
        return _poem(scene, 0, language, FORM, rng)
    if rng.random() < 0.5:
        absent = tuple(thing for thing in THINGS if thing not in scene.things)
        return haiku(replace(scene, things=(pick(absent, rng),)), language, rng)
    at = int(rng.random() * 3)
    form = list(FORM)
    form[at] = pick(_OTHER_COUNTS[FORM[at]], rng)
    return _poem(scene, pick((1, 2), rng), language, form, rng)


def _poem(scene: Scene, named: int, language: str, form: Sequence[int], rng: Generator) -> str:
    """The first structure, in random order, whose lines can all be written.

    Three long names do not always fit; then one thing fewer is named.
    """
    grammar = grammar_of(language)
    things = shuffled(scene.things, rng)[:named]
    for structure in shuffled(grammar.structures[named], rng):
        if lines := _written(grammar, structure, scene, things, form, rng):
            return "\n".join(lines)
    return _poem(scene, named - 1, language, form, rng)


def _written(
    grammar: Grammar,
    structure: Sequence[str],
    scene: Scene,
    things: Sequence[str],
    form: Sequence[int],
    rng: Generator,
) -> list[str] | None:
    letters = dict(zip("XYZ", things, strict=False))
    about = {name: getattr(scene, name) for name in ("season", "hour", "weather", "setting")}
    lines = []
    for line, total in zip(structure, form, strict=True):
        kind, _, subjects = line.partition(":")
        names: Names = about | {to: letters[of] for to, of in zip("XYZ", subjects, strict=False)}
        written = write(grammar, kind, names, total, rng)
        if written is None:
            return None
        lines.append(written)
    return _cut(lines, structure, grammar.cut, rng)


def _cut(lines: list[str], structure: Sequence[str], cut: str, rng: Generator) -> list[str]:
    """Half of the time, a dash where the season's own line meets the rest."""
    if cut and "season" in structure and rng.random() < 0.5:
        at = 0 if structure[0] == "season" else 1
        lines[at] += cut
    return lines
