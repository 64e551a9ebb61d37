"""Lines of an exact count, by construction.

A grammar is tables of phrases and line templates with slots. Every phrase knows its count (English
syllables, Japanese morae), so the ways in which the slots of a template add up to 5 or 7 can be
listed once; writing a line is a draw from that list.

A slot is `{table}` or `{who:table}`, where `who` is "season", "hour", "weather", "setting" or one
of the things X, Y and Z of the poem: `{X:noun} {X:does} {setting:where}`.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, product
from math import prod
from typing import TypeAlias, TypeVar

from numpy.random import Generator

T = TypeVar("T")
Phrases: TypeAlias = tuple[str, ...]
Names: TypeAlias = Mapping[str, str]
"""Who stands in a slot: {"season": "autumn", "X": "boat"}."""


@dataclass(frozen=True, slots=True)
class Part:
    """A literal piece of a template, or a slot in it."""

    text: str
    who: str = ""
    table: str = ""


@dataclass(frozen=True, eq=False)
class Grammar:
    """How one language writes a haiku. Compared by identity, so that it can key a cache."""

    count: Callable[[str], int]
    tables: Mapping[str, Mapping[str, Phrases]]
    """Table -> name -> phrases; a table without names has the one name ""."""
    lines: Mapping[str, tuple[str, ...]]
    """Kind of line -> templates."""
    structures: Mapping[int, tuple[tuple[str, str, str], ...]]
    """Number of things named -> the kinds of the three lines, as `kind` or `kind:XY`."""
    cut: str
    """Written between the season's line and its neighbour; empty for none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The lines of one template at one count: a choice of splits, each with its phrases."""

    splits: tuple[tuple[Phrases, ...], ...]
    upto: tuple[int, ...]
    """Cumulative number of lines over the splits."""


@cache
def parse(template: str) -> tuple[Part, ...]:
    """The parts of a template, in order."""
    pieces = re.split(r"(\{[\w:]+\})", template)
    slots = (piece[1:-1].rpartition(":") if piece[:1] == "{" else None for piece in pieces)
    return tuple(
        Part("", slot[0], slot[2]) if slot else Part(piece)
        for piece, slot in zip(pieces, slots, strict=True)
        if piece
    )


@cache
def _by_count(grammar: Grammar, table: str, name: str) -> dict[int, Phrases]:
    groups: dict[int, list[str]] = {}
    for phrase in grammar.tables[table].get(name, ()):
        groups.setdefault(grammar.count(phrase), []).append(phrase)
    return {count: tuple(phrases) for count, phrases in groups.items()}


@cache
def _plan(grammar: Grammar, template: str, bound: tuple[str, ...], total: int) -> Plan:
    options = [
        _by_count(grammar, part.table, name)
        if part.table
        else {grammar.count(part.text): (part.text,)}
        for part, name in zip(parse(template), bound, strict=True)
    ]
    splits = tuple(
        tuple(option[count] for option, count in zip(options, counts, strict=True))
        for counts in product(*options)
        if sum(counts) == total
    )
    return Plan(splits, tuple(accumulate(prod(map(len, split)) for split in splits)))


def plan(grammar: Grammar, template: str, names: Names, total: int) -> Plan:
    """Every line that `template` makes of `total` syllables or morae, unwritten."""
    bound = tuple(names.get(part.who, "") for part in parse(template))
    return _plan(grammar, template, bound, total)


def pick(options: Sequence[T], rng: Generator) -> T:
    """One of `options`, each as likely as another."""
    return options[int(rng.random() * len(options))]


def shuffled(options: Sequence[T], rng: Generator) -> list[T]:
    """`options` in random order (on short sequences far cheaper than `rng.permutation`)."""
    left = list(options)
    return [left.pop(int(rng.random() * len(left))) for _ in range(len(left))]


def write(grammar: Grammar, kind: str, names: Names, total: int, rng: Generator) -> str | None:
    """A line of exactly `total`: a template drawn evenly, then a line drawn evenly from it.

    None where no template of this kind can make the count from these names.
    """
    plans = [
        found
        for template in grammar.lines[kind]
        if (found := plan(grammar, template, names, total)).splits
    ]
    if not plans:
        return None
    chosen = pick(plans, rng)
    split = chosen.splits[bisect(chosen.upto, rng.random() * chosen.upto[-1])]
    return "".join(pick(phrases, rng) for phrases in split)
