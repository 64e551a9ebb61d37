"""Pairs of texts about one thing, by what they are worth and how long they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple


class Scored(NamedTuple):
    """A text and what it is worth."""

    text: str
    score: float


def widest(scored: Sequence[Scored], gap: float, length: float) -> tuple[str, str] | None:
    """The texts of the pair with the largest gap in score, the better first; None without one.

    Among equal gaps it is the pair of the most equal lengths, and among those the first.

    Args:
        scored: texts, none of them empty.
        gap: by how much the better score is at least above the other.
        length: how many times as long, in characters, either text may be: the short one says
            little and is safer, and the difference would be learned.
    """
    pairs = [
        (good.score - bad.score, -_unlike(good.text, bad.text), good.text, bad.text)
        for good, bad in product(scored, scored)
        if good.score - bad.score >= gap and _unlike(good.text, bad.text) <= length
    ]
    return max(pairs, key=lambda each: each[:2])[2:] if pairs else None


def _unlike(one: str, other: str) -> float:
    """How many times as long the longer text is."""
    return max(len(one), len(other)) / min(len(one), len(other))
