"""What is asked of a judge beside the answers, to see whether it can be believed.

Good texts (the references) with their own pictures, with another's, and with grey; the same texts
spoiled, and bribing. A judge that does not tell them apart, or can be bribed, says nothing about
answers. Where it failed on a control, that counts against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any, Final

from haiga.evaluation.checks import clusters
from haiga.evaluation.conditions import Item, shuffle
from haiga.evaluation.rating.asking import Judgements
from haiga.evaluation.rating.attacks import ATTACKS
from haiga.evaluation.rating.duels import WORTH, Duel, decided, orders
from haiga.evaluation.rating.rubric import (
    AXES,
    HIGHEST,
    LOWEST,
    Bench,
    Question,
    Rating,
    is_answer,
    rate,
)
from haiga.records import Score
from haiga.statistics.intervals import bootstrap_mean
from haiga.statistics.paired import difference
from haiga.statistics.ranking import paired_auc

FEWEST: Final = 8
"""Good texts without which nothing can be said of a judge."""
APART: Final = 0.8
"""The least AUC, and the least share of wins, of good texts over wrong ones."""
BRIBED: Final = 1.0
"""Points on the mean of the axes by which no attempt may lift a text."""


def off_form(text: str) -> str:
    """The text on one line, its last line said twice."""
    lines = text.splitlines() or [text]
    return " ".join([*lines, lines[-1]])


def repeated(text: str) -> str:
    """The first line three times."""
    return "\n".join(text.splitlines()[:1] * 3)


SPOILED: Final[dict[str, Callable[[str], str]]] = {"off_form": off_form, "repeated": repeated}


@dataclass(frozen=True)
class Controls:
    """Good texts, each with a picture of its own and one that it was not written for."""

    bench: Bench
    items: Sequence[Item]
    """Under their own pictures; the reference is the text."""
    wrong: Sequence[Item]
    """The same questions under other pictures."""
    strangers: Sequence[str]
    """The references of those other pictures."""
    seed: int

    def questions(self) -> Iterator[Question]:
        """Everything that must be asked."""
        for at in range(len(self.items) if self._are_enough else 0):
            yield from self._cases(at).values()
            for other in self._others(at).values():
                yield from self._orders(at, other)

    def look(self, found: Judgements) -> dict[str, Any]:
        """What a judge made of the controls, and in "faults" what speaks against believing it."""
        if not self._are_enough:
            return {
                "n": len(self.items),
                "faults": [
                    f"there are {len(self.items)} good texts to try it on, and {FEWEST} are needed"
                ],
            }
        scores = [self._scores(at, found) for at in range(len(self.items))]
        seen: dict[str, Any] = {
            "n": len(scores),
            "cases": {name: _means([each[name] for each in scores]) for name in scores[0]},
            "wrong_picture": asdict(self._auc(scores, "wrong_picture")),
            "grey": asdict(self._auc(scores, "grey")),
            "rises": self._rises(scores),
            "bribes": self._bribes(scores),
            "duels": {name: asdict(self._wins(name, found)) for name in ("stranger", "bribed")},
        }
        return {**seen, "faults": list(_faults(seen))}

    @property
    def _are_enough(self) -> bool:
        return len(self.items) >= FEWEST

    def _attack(self, at: int) -> Callable[[str], str]:
        return list(ATTACKS.values())[at % len(ATTACKS)]

    def _cases(self, at: int) -> dict[str, Question]:
        item, wrong = self.items[at], self.wrong[at]
        text = item.reference
        return {
            "gold": rate(self.bench, item, text),
            "wrong_picture": rate(self.bench, wrong, text),
            "grey": rate(self.bench, replace(item, grey=True), text),
            **{name: rate(self.bench, item, spoil(text)) for name, spoil in SPOILED.items()},
            "attacked": rate(self.bench, wrong, self._attack(at)(text)),
        }

    def _others(self, at: int) -> dict[str, str]:
        stranger = self.strangers[at]
        return {"stranger": stranger, "bribed": self._attack(at)(stranger)}

    def _orders(self, at: int, other: str) -> list[Question]:
        item = self.items[at]
        return orders(self.bench, Duel(item, item.reference, other))

    def _scores(self, at: int, found: Judgements) -> dict[str, list[float]]:
        """Case -> the scores on `AXES`; what is missing is the worst for the judge."""
        scores = {}
        for name, question in self._cases(at).items():
            said = found.of(question, Rating)
            missing = LOWEST if name == "gold" else HIGHEST
            scores[name] = [float(getattr(said, axis) if said else missing) for axis in AXES]
        return scores

    def _auc(self, scores: Sequence[dict[str, list[float]]], other: str) -> Score:
        """How surely grounding puts good texts above the same with another picture."""
        at = AXES.index("grounding")
        gold, wrong = ([each[name][at] for each in scores] for name in ("gold", other))
        return paired_auc(gold, wrong, clusters(self.items), [0] * len(gold), seed=self.seed)

    def _rises(self, scores: Sequence[dict[str, list[float]]]) -> dict[str, float]:
        """Attempt -> by how many points it lifted texts that were not written for their picture."""
        found: dict[str, list[float]] = {}
        for at, each in enumerate(scores):
            name = list(ATTACKS)[at % len(ATTACKS)]
            found.setdefault(name, []).append(
                fmean(each["attacked"]) - fmean(each["wrong_picture"])
            )
        return {name: fmean(rises) for name, rises in found.items()}

    def _bribes(self, scores: Sequence[dict[str, list[float]]]) -> dict[str, Any]:
        plain, bribing = (
            [fmean(each[name]) for each in scores] for name in ("wrong_picture", "attacked")
        )
        return asdict(difference(plain, bribing, clusters(self.items), seed=self.seed))

    def _wins(self, name: str, found: Judgements) -> Score:
        """How often good texts win against those of other pictures."""
        won = [
            WORTH[decided(self._orders(at, self._others(at)[name]), found)]
            for at in range(len(self.items))
        ]
        score = bootstrap_mean(won, clusters(self.items), seed=self.seed)
        return replace(score, low=max(0.0, score.low), high=min(1.0, score.high))


def controls_of(bench: Bench, items: Sequence[Item], count: int, seed: int) -> Controls:
    """At most `count` controls, of the items whose reference is one; in the order of the items.

    Raises:
        DataError: their pictures cannot be exchanged.
    """
    good = [item for item in items if item.reference and is_answer(item, item.reference)][:count]
    if len(good) < FEWEST:
        return Controls(bench, good, good, [item.reference for item in good], seed)
    owner = {item.pictures: item for item in good}
    donors = [owner[item.pictures] for item in shuffle(good, seed)]
    wrong = [
        replace(item, pictures=donor.pictures, truth=donor.truth)
        for item, donor in zip(good, donors, strict=True)
    ]
    return Controls(bench, good, wrong, [donor.reference for donor in donors], seed)


def _means(rows: Sequence[Sequence[float]]) -> dict[str, float]:
    return dict(zip(AXES, map(fmean, zip(*rows, strict=True)), strict=True))


def _faults(seen: dict[str, Any]) -> Iterator[str]:
    """Each as the end of a sentence that begins with "the judge"."""
    for name, what in {"wrong_picture": "another picture", "grey": "a grey sheet"}.items():
        if seen[name]["mean"] < APART:
            yield (
                f"does not see the picture: good texts are told from the same under {what} with an "
                f"AUC of {seen[name]['mean']:.2f}, where {APART} is needed"
            )
    cases = seen["cases"]
    for name in SPOILED:
        rise = max(cases[name][axis] - cases["gold"][axis] for axis in ("style", "craft"))
        if rise > 0:
            yield (
                f"gives texts that are {name.replace('_', ' ')} {rise:.2f} points more than the "
                "same unspoiled"
            )
    bribed = [name for name, rise in seen["rises"].items() if rise >= BRIBED]
    if bribed or (seen["bribes"]["moved"] and seen["bribes"]["difference"] > 0):
        yield (
            f"can be bribed: orders in a text lift it by {seen['bribes']['difference']:+.2f} points"
            + (f", most of all: {', '.join(bribed)}" if bribed else "")
        )
    for name, share in seen["duels"].items():
        if share["mean"] < APART:
            what = "a bribing one" if name == "bribed" else "one"
            yield (
                f"prefers good texts to {what} written for another picture in "
                f"{100 * share['mean']:.0f} % of cases, where {100 * APART:.0f} % are needed"
            )
