"""The claim: an answer beside another to the same picture, asked in both orders.

A win counts one, a tie a half. Orders that contradict each other are a tie, and counted: where that
happens to more than a quarter, position decides and not the texts. An answer that is none loses
against one that is. Where the judge failed the answer has lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from haiga.evaluation.conditions import Item
from haiga.evaluation.rating.asking import Judgements
from haiga.evaluation.rating.rubric import Bench, Better, Question, compare, is_answer, plain
from haiga.statistics.intervals import wilson
from haiga.statistics.paired import difference
from haiga.statistics.wins import length_controlled

MOST_FLIPPED: Final = 0.25
"""The share of contradictions above which a comparison is not read."""
Outcome: TypeAlias = Literal["won", "lost", "tied", "flipped", "missing"]
WORTH: Final[dict[Outcome, float]] = {
    "won": 1.0,
    "lost": 0.0,
    "tied": 0.5,
    "flipped": 0.5,
    "missing": 0.0,
}


class Duel(NamedTuple):
    """Two answers to one picture."""

    item: Item
    ours: str
    theirs: str


@dataclass(frozen=True)
class Duels:
    """One stage against one opponent, picture by picture."""

    bench: Bench
    duels: Sequence[Duel]
    clusters: Sequence[str]
    seed: int

    def questions(self) -> Iterator[Question]:
        """Both orders of everything that must be asked."""
        for duel in self.duels:
            if _is_asked(duel):
                yield from orders(self.bench, duel)

    def outcomes(self, found: Judgements) -> list[Outcome]:
        """How each duel ended."""
        return [outcome(self.bench, duel, found) for duel in self.duels]

    def scores(self, found: Judgements) -> dict[str, Any]:
        """The win rate as "mean", with low, high, n, p, moved, detectable; "best" if the judge's
        failures were wins; how many of each outcome; the flip rate; and the win rate at equal
        length. `moved` says that the rate is surely not one half."""
        ended = self.outcomes(found)
        values = [WORTH[each] for each in ended]
        gap = difference([0.5] * len(values), values, self.clusters, seed=self.seed, share=True)
        asked = [each for duel, each in zip(self.duels, ended, strict=True) if _is_asked(duel)]
        lengths = [len(plain(d.ours)) - len(plain(d.theirs)) for d in self.duels]
        flipped = wilson(asked.count("flipped"), len(asked)) if asked else None
        return {
            **asdict(gap),
            "mean": gap.difference + 0.5,
            "low": max(0.0, gap.low + 0.5),
            "high": min(1.0, gap.high + 0.5),
            "detectable": gap.detectable if gap.detectable < 1 else None,
            "best": sum(values, ended.count("missing")) / len(values),
            "outcomes": {name: ended.count(name) for name in WORTH},
            "flipped": None if flipped is None else asdict(flipped),
            "at_equal_length": length_controlled(values, lengths),
            "valid": flipped is None or flipped.mean <= MOST_FLIPPED,
        }


def outcome(bench: Bench, duel: Duel, found: Judgements) -> Outcome:
    """How a duel ended, from ours."""
    if not _is_asked(duel):
        ours, theirs = (is_answer(duel.item, text) for text in duel[1:])
        return "tied" if ours == theirs else "won" if ours else "lost"
    return decided(orders(bench, duel), found)


def decided(both: Sequence[Question], found: Judgements) -> Outcome:
    """What the two orders of a duel say together, from ours, which stands first in the first."""
    one, other = (found.of(question, Better) for question in both)
    if one is None or other is None:
        return "missing"
    votes = {one.better, {"first": "second", "second": "first"}.get(other.better, "equal")}
    if votes == {"first", "second"}:
        return "flipped"
    if "equal" in votes:
        return "tied"
    return "won" if votes == {"first"} else "lost"


def _is_asked(duel: Duel) -> bool:
    """Whether there is something to choose between."""
    both = is_answer(duel.item, duel.ours) and is_answer(duel.item, duel.theirs)
    return both and plain(duel.ours) != plain(duel.theirs)


def orders(bench: Bench, duel: Duel) -> list[Question]:
    """The question, ours first and theirs first."""
    return [
        compare(bench, duel.item, duel.ours, duel.theirs),
        compare(bench, duel.item, duel.theirs, duel.ours),
    ]
