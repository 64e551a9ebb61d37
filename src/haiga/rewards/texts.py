"""Rewards that read the text alone: its form, length and language, and how it repeats itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from haiga.errors import DataError, RecipeError
from haiga.rewards.base import Count, Sample, Scored, Share, per_sample
from haiga.text import english, japanese
from haiga.text.diversity import likeness, repetition
from haiga.text.haiku import PATTERN
from haiga.text.haiku import form as haiku_form
from haiga.text.language import is_in
from haiga.text.scripts import tokens

USUAL: Final[dict[str, Callable[[str], frozenset[int] | None]]] = {
    "en": english.syllables,
    "ja": japanese.morae,
}
"""The counts of a line as it is usually read."""


@per_sample
def form(sample: Sample, *, partial: Share = 0.0) -> float:
    """1 for a poem that is surely 5-7-5, else `partial` x closeness, which is below 1.

    Closeness is 1 - d / 17, at least 0, where d is by how many syllables or morae the lines miss
    5, 7 and 5 in all; a missing line misses all of its own, a line too many counts whole. Japanese
    lines are counted as they are usually read: a poem that is 5-7-5 only in an unusual reading has
    not got there. One that may be 5-7-5, but holds a word that cannot be read, has no score.
    """
    language = sample.group.language
    poem = haiku_form(sample.text, language)
    if poem.verdict == "pass":
        return 1.0
    if poem.verdict == "unknown":
        raise DataError(
            "The poem holds a word whose reading is not known, so that its form cannot be counted. "
            "Install the extra 'ja'."
        )
    return partial * closeness(poem.lines, language)


def closeness(lines: Sequence[str], language: str) -> float:
    """How near lines come to 5-7-5, from 0 to 1; see `form`. A line that cannot be read is lost."""
    counts = [USUAL[language](line) or frozenset({0}) for line in lines]
    size = max(len(counts), len(PATTERN))
    counts += [frozenset({0})] * (size - len(counts))
    wanted = [*PATTERN, *[0] * (size - len(PATTERN))]
    missed = sum(
        min(abs(count - goal) for count in each) for each, goal in zip(counts, wanted, strict=True)
    )
    return max(0.0, 1 - missed / sum(PATTERN))


@per_sample
def length(sample: Sample, *, minimum: Count, maximum: Count) -> float:
    """1 from `minimum` to `maximum` words (characters in Japanese and Chinese).

    Below, n / minimum; above, it falls as fast as the text grows, to 0 at twice the maximum.
    """
    if minimum > maximum:
        raise RecipeError(
            f"length: no text has from {minimum} to {maximum} words; turn them round."
        )
    count = len(tokens(sample.text))
    if count < minimum:
        return count / minimum
    return 1.0 if count <= maximum else max(0.0, 2 - count / maximum)


@per_sample
def language(sample: Sample) -> float:
    """1 for a text in the language that it was asked for in, else 0."""
    return float(is_in(sample.text, sample.group.language))


@per_sample
def variety(sample: Sample, *, n: Count = 3) -> float:
    """1 - the share of a text's n-grams that have occurred in it before; 0 for no words."""
    return 1 - repetition(sample.text, n) if tokens(sample.text) else 0.0


def diversity(samples: Sequence[Sample], *, n: Count = 2) -> list[Scored]:
    """1 - the share of a sample's n-grams that another of its group has, on average over these.

    0 where all samples of a prompt are one text, and for a text of no words; 1 where they have no
    n-gram in common. The only sample of a group has no score.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for at, sample in enumerate(samples):
        groups[sample.group.id].append(at)
    alone = Scored(None, "It is the only sample of its group; diversity needs two or more.")
    scored = [alone] * len(samples)
    for places in groups.values():
        if len(places) > 1:
            shares = likeness([samples[at].text for at in places], n)
            for at, share in zip(places, shares, strict=True):
                scored[at] = Scored(1 - share)
    return scored
