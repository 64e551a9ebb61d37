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
BROKEN_FORMS: Final = (
    *((count, 7, 5) for count in (3, 4, 6, 7)),
    *((5, count, 5) for count in (5, 6, 8, 9)),
    *((5, 7, count) for count in (3, 4, 6, 7)),
)
_NAMED: Final = (1, 2, 2, 2, 2, 3)
"""How many things a haiku names, each entry as likely as another: mostly two."""


def grammar_of(language: str) -> Grammar:
    """The grammar of "en" or "ja"; DataError for another language."""
    if language not in GRAMMARS:
        raise DataError(f"The poets write no {language!r}; choose one of: {', '.join(GRAMMARS)}.")
    return GRAMMARS[language]


def haiku(scene: Scene, language: str, rng: Generator) -> str:
    """Three lines of 5-7-5 that name the season, the setting and one to three things of `scene`."""
    named = min(pick(_NAMED, rng), len(scene.things))
    # Three long names do not always fit in one poem; one always does.
    return next(
        poem
        for count in range(named, 0, -1)
        if (poem := _poem(scene, count, grammar_of(language), FORM, rng))
    )


def haiku_with_reading(scene: Scene, rng: Generator) -> tuple[str, str]:
    """A Japanese haiku and its kana, line by line."""
    poem = haiku(scene, "ja", rng)
    return poem, reading(poem)


def bare(scene: Scene, language: str, rng: Generator, wrong: float = 0.5) -> str:
    """A haiku that anyone could do without.

    With probability `wrong` it is wrong, evenly in fact (it names a thing that is not in the scene)
    or in form (one line has another count); else it is true in form and names nothing of the scene.
    """
    grammar = grammar_of(language)
    if rng.random() >= wrong:
        return str(_poem(scene, 0, grammar, FORM, rng))
    if rng.random() < 0.5:
        absent = tuple(thing for thing in THINGS if thing not in scene.things)
        return haiku(replace(scene, things=(pick(absent, rng),)), language, rng)
    return next(
        poem
        for form in shuffled(BROKEN_FORMS, rng)
        for count in shuffled((1, 2), rng)
        if (poem := _poem(scene, count, grammar, form, rng))
    )


def _poem(
    scene: Scene, named: int, grammar: Grammar, form: Sequence[int], rng: Generator
) -> str | None:
    """The first structure, in random order, whose lines can all be written; None if none can."""
    things = shuffled(scene.things, rng)[:named]
    for structure in shuffled(grammar.structures[named], rng):
        if lines := _written(grammar, structure, scene, things, form, rng):
            return "\n".join(lines)
    return None


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
