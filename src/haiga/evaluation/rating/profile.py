"""The profile: every answer by itself on four axes, from 1 to 5.

An answer that is none (empty, of another language, of the wrong number of lines) has the lowest
score on every axis, without being asked about. Where the judge failed, the score is missing, and
counts as what speaks against the claim: the lowest for a stage with its picture, the highest for
what it is held against.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final, TypeAlias

import numpy as np

from haiga.evaluation.checks import Part, Parts, score
from haiga.evaluation.conditions import Item
from haiga.evaluation.rating.asking import Judgements
from haiga.evaluation.rating.rubric import (
    AXES,
    HIGHEST,
    LOWEST,
    Bench,
    Question,
    Rating,
    form_points,
    is_answer,
    rate,
)
from haiga.statistics.agreement import krippendorff_alpha

FORM: Final = "form"
SPAN: Final = HIGHEST - LOWEST
Row: TypeAlias = dict[str, list[float]]
"""Axis -> the scores of one answer, one for each repeat; none where the judge failed."""
Cells: TypeAlias = Mapping[str, Mapping[str, Sequence[str]]]
"""stage -> condition -> answers, in the order of the items."""


@dataclass(frozen=True)
class Profile:
    """What is asked about every answer."""

    bench: Bench
    items: Sequence[Item]
    clusters: Sequence[str]
    repeats: int
    seed: int

    def questions(self, cells: Cells) -> Iterator[Question]:
        """Everything that must be asked; the same answer to one picture comes up again."""
        for by_condition in cells.values():
            for answers in by_condition.values():
                for item, answer in zip(self.items, answers, strict=True):
                    yield from self._asked(item, answer)

    def rows(self, answers: Sequence[str], found: Judgements) -> list[Row]:
        """The scores of a cell's answers."""
        return [
            self._row(item, each, found) for item, each in zip(self.items, answers, strict=True)
        ]

    def scores(self, rows: Sequence[Row], *, control: bool) -> dict[str, dict[str, float]]:
        """Axis -> mean, low, high, n, and "best" (of a control "worst"): what the mean would be if
        everything that is missing spoke for the claim."""
        found = {}
        for axis in (*AXES, FORM):
            shares = score(self.parts(rows, axis, control=control), self.clusters, seed=self.seed)
            other = score(self.parts(rows, axis, control=not control), self.clusters)
            if shares is not None and other is not None:
                low, mean, high = (
                    LOWEST + SPAN * at for at in (shares.low, shares.mean, shares.high)
                )
                if_missing = {"worst" if control else "best": LOWEST + SPAN * other.mean}
                found[axis] = {"mean": mean, "low": low, "high": high, "n": shares.n, **if_missing}
        return found

    def parts(self, rows: Sequence[Row], axis: str, *, control: bool) -> Parts:
        """The same as shares of the scale, for `evaluation.compare`."""
        values = self._column(rows, axis, HIGHEST if control else LOWEST)
        if values is None:
            return [None] * len(rows)
        return [Part((value - LOWEST) / SPAN) for value in values]

    def _column(self, rows: Sequence[Row], axis: str, missing: float) -> list[float] | None:
        if not any(axis in row for row in rows):
            return None
        return [fmean(row[axis]) if row.get(axis) else float(missing) for row in rows]

    def _asked(self, item: Item, answer: str) -> Iterator[Question]:
        if is_answer(item, answer):
            yield from (rate(self.bench, item, answer, at) for at in range(self.repeats))

    def _row(self, item: Item, answer: str, found: Judgements) -> Row:
        form = form_points(item, answer)
        counted: Row = {} if form is None else {FORM: [float(form)]}
        if not is_answer(item, answer):
            return {axis: [float(LOWEST)] for axis in (*AXES, *counted)}
        said = [found.of(question, Rating) for question in self._asked(item, answer)]
        heard = [each for each in said if each is not None]
        return counted | {axis: [float(getattr(each, axis)) for each in heard] for axis in AXES}


def steadiness(rows: Sequence[Row], repeats: int) -> dict[str, dict[str, Any]]:
    """How far repeats agree: Krippendorff's ordinal alpha and the judge's own spread, by axis.

    Of answers with all their repeats. Nothing where nothing was repeated. alpha is None where every
    score is the same: nothing then shows that the judge can tell answers apart.
    """
    whole = [row for row in rows if all(len(row.get(axis, ())) == repeats for axis in AXES)]
    if repeats < 2 or not whole:
        return {}
    found = {}
    for axis in AXES:
        table = np.array([row[axis] for row in whole]).T
        spread = float(np.sqrt(table.var(axis=0, ddof=1).mean()))
        alpha = krippendorff_alpha(table) if len(np.unique(table)) > 1 else None
        found[axis] = {"alpha": alpha, "sd": spread, "n": len(whole)}
    return found
