"""Checks of answers against a known truth: no judge, no network, and no failure left out.

A scorer looks at all items with their answers and gives each a `Part(numerator, denominator)`, or
None where the check does not apply (no truth is known, or the task is another). The score of a
check is sum(numerator) / sum(denominator). An answer that cannot be read scores nothing and keeps
its place in the denominator: silence must never pay.

The names in an answer are literal mentions. A check says nothing about a poem's worth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from haiga.evaluation.conditions import Item
from haiga.records import Score
from haiga.statistics.intervals import bootstrap_ratio, wilson
from haiga.text.haiku import JUDGES
from haiga.text.haiku import form as haiku_form
from haiga.text.mentions import find
from haiga.text.readable import readable as text_readable
from haiga.world.lexicon import lexicon


@dataclass(frozen=True, slots=True)
class Part:
    """What one item adds to a check's numerator and denominator."""

    numerator: float
    denominator: float = 1.0


Parts: TypeAlias = list[Part | None]


@dataclass(frozen=True, slots=True)
class Check:
    """A scorer and the sentence that says what it measures."""

    score: Callable[[Sequence[Item], Sequence[str]], Parts]
    sentence: str


def readable(item: Item, answer: str) -> bool:
    """Whether `answer` is an answer at all to `item`; see `text.readable`."""
    return text_readable(answer, item.task, item.language)


def named(item: Item, answer: str, kind: str) -> frozenset[str]:
    """The world's "things", "seasons" or "settings" that `answer` names."""
    return find(answer, lexicon(item.language, kind))


def has_scene(item: Item) -> bool:
    """Whether the content of the item's picture is known."""
    return bool(item.truth.get("scene"))


def named_precision(item: Item, answer: str) -> Part:
    """Of the things named, those in the picture; nothing named is one failure."""
    found = named(item, answer, "things")
    true = frozenset(item.truth["scene"]["things"])
    return Part(len(found & true), max(1, len(found)))


def named_recall(item: Item, answer: str) -> Part:
    """Of the things in the picture, those named."""
    true = frozenset(item.truth["scene"]["things"])
    return Part(len(named(item, answer, "things") & true), len(true))


def season(item: Item, answer: str) -> Part:
    """Whether the answer names the picture's season and no other."""
    return Part(named(item, answer, "seasons") == {item.truth["scene"]["season"]})


def setting(item: Item, answer: str) -> Part:
    """Whether the answer names the picture's setting and no other."""
    return Part(named(item, answer, "settings") == {item.truth["scene"]["setting"]})


def form(item: Item, answer: str) -> Part:
    """Whether the poem surely has the form; "possible" does not count."""
    return Part(haiku_form(answer, item.language).verdict == "pass")


def _each(
    score: Callable[[Item, str], Part], applies: Callable[[Item], bool]
) -> Callable[[Sequence[Item], Sequence[str]], Parts]:
    """`score` item by item where it applies; what cannot be read scores nothing.

    The denominator of an unreadable answer is that of an empty one, so it can neither help nor
    weigh more than silence.
    """

    def scored(items: Sequence[Item], answers: Sequence[str]) -> Parts:
        return [
            score(item, answer if readable(item, answer) else "") if applies(item) else None
            for item, answer in zip(items, answers, strict=True)
        ]

    return scored


def distinct(items: Sequence[Item], answers: Sequence[str]) -> Parts:
    """1 for a readable answer whose words no earlier item has, 0 for a repetition."""
    seen: set[str] = set()
    parts: Parts = []
    for item, answer in zip(items, answers, strict=True):
        text = " ".join(re.findall(r"\w+", answer.casefold()))
        parts.append(Part(readable(item, answer) and text not in seen))
        seen.add(text)
    return parts


def _always(item: Item) -> bool:
    return True


def _is_haiku(item: Item) -> bool:
    return item.task == "haiku" and item.language in JUDGES


CHECKS: dict[str, Check] = {
    "named_precision": Check(
        _each(named_precision, has_scene),
        "of the things that an answer names, the share that is in the picture",
    ),
    "named_recall": Check(
        _each(named_recall, has_scene),
        "of the things in the picture, the share that the answer names",
    ),
    "season": Check(
        _each(season, has_scene), "answers that name the picture's season and no other"
    ),
    "setting": Check(
        _each(setting, has_scene), "answers that name the picture's setting and no other"
    ),
    "form": Check(_each(form, _is_haiku), "poems that are surely 5-7-5"),
    "parsed": Check(
        _each(lambda item, answer: Part(readable(item, answer)), _always),
        "answers that can be read: in the language asked for, of the right number of lines, "
        "without stray tokens",
    ),
    "distinct": Check(distinct, "readable answers whose words no earlier answer has"),
}


def score(parts: Sequence[Part | None], clusters: Sequence[str], *, seed: int = 0) -> Score | None:
    """The ratio of the sums with its 95 % interval; None where the check applies to no item.

    Checks of one yes or no per item get a Wilson interval, widened to the cluster bootstrap's
    where items share a cluster; other ratios get the cluster bootstrap, and where nothing varies,
    Wilson's bound on what so many clusters could have missed. `n` counts all items to which the
    check applies, failures included.
    """
    kept = [(part, c) for part, c in zip(parts, clusters, strict=True) if part is not None]
    if not kept:
        return None
    numerators = [float(part.numerator) for part, _ in kept]
    denominators = [float(part.denominator) for part, _ in kept]
    groups = [cluster for _, cluster in kept]
    drawn = bootstrap_ratio(numerators, denominators, clusters=groups, seed=seed)
    yes_or_no = all(value in (0, 1) for value in numerators)
    if not yes_or_no or any(denominator != 1 for denominator in denominators):
        return _share(drawn, len(set(groups)))
    exact = wilson(int(sum(numerators)), len(kept))
    if len(set(groups)) == len(groups):
        return exact
    return Score(exact.mean, min(exact.low, drawn.low), max(exact.high, drawn.high), len(kept))


def _share(drawn: Score, count: int) -> Score:
    """The score of something between 0 and 1, as `count` clusters have it."""
    mean, missed = drawn.mean, wilson(0, count).high
    if drawn.low == drawn.high:
        return replace(drawn, low=mean * (1 - missed), high=mean + (1 - mean) * missed)
    return replace(drawn, low=max(0.0, drawn.low), high=min(1.0, drawn.high))


def spread(parts: Parts, places: Sequence[int], count: int) -> Parts:
    """Parts of the items at `places` as parts of all `count` items."""
    found: Parts = [None] * count
    for at, part in zip(places, parts, strict=True):
        found[at] = part
    return found


def clusters(items: Sequence[Item]) -> list[str]:
    """The clusters of `items`; an item without one stands alone, beside its own pictures."""
    return [
        item.cluster or "/".join(p.id for p in item.pictures) or f"item {item.id}" for item in items
    ]
