"""All that a judge is asked about a run, and what comes of it.

    evaluation/judge.json          the profile, the duels, the controls, and how far to believe them
    evaluation/judgements.jsonl    everything that the judge has said

A judge is *invalid* where it failed on more than 2 % of its questions, *unreliable* where a control
speaks against it: its figures are then no headline and in no table of the run. It is
*uncalibrated* until people have labelled, and *measured* from then on. A *rehearsal* is no judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from haiga.evaluation.checks import Parts, clusters
from haiga.evaluation.conditions import Item
from haiga.evaluation.rating.asking import Judgements, unique
from haiga.evaluation.rating.controls import Controls, controls_of
from haiga.evaluation.rating.duels import Duel, Duels
from haiga.evaluation.rating.profile import Profile, Row, steadiness
from haiga.evaluation.rating.rubric import AXES, VERSION, Bench, Question
from haiga.statistics.paired import holm

MOST_FAILED: Final = 0.02
REFERENCE, START = "reference", "start"
"""Opponents: the text that was written about the picture, and the stage that a stage came from."""


@dataclass(frozen=True)
class Settings:
    """How much a judge is asked."""

    repeats: int = 3
    controls: int = 20
    against: tuple[str, ...] = (START, REFERENCE)


@dataclass(frozen=True)
class Hearing:
    """The answers of a run before a judge. What it holds is not changed."""

    bench: Bench
    items: Sequence[Item]
    """Those that are judged."""
    cells: Mapping[str, Mapping[str, Sequence[str]]]
    """stage -> condition -> answers to them; the conditions that are judged."""
    starts: Mapping[str, str]
    """stage -> the stage that it started from."""
    settings: Settings
    seed: int

    @cached_property
    def profile(self) -> Profile:
        return Profile(
            self.bench, self.items, clusters(self.items), self.settings.repeats, self.seed
        )

    @cached_property
    def controls(self) -> Controls:
        return controls_of(self.bench, self.items, self.settings.controls, self.seed)

    @cached_property
    def duels(self) -> dict[tuple[str, str], Duels]:
        """(stage, the stage or "reference" that it is held against) -> their duels."""
        found = {}
        for stage, by_condition in self.cells.items():
            for opponent, theirs in self._opponents(stage):
                pairs = zip(self.items, by_condition.get("full", ()), theirs, strict=True)
                duels = [Duel(*each) for each in pairs if each[2]]
                if duels:
                    groups = clusters([duel.item for duel in duels])
                    found[stage, opponent] = Duels(self.bench, duels, groups, self.seed)
        return found

    def questions(self) -> list[Question]:
        """Everything that the judge is asked, each once; the controls first."""
        return unique(self._questions())

    def rows(self, found: Judgements) -> dict[tuple[str, str], list[Row]]:
        """(stage, condition) -> the scores of its answers."""
        return {
            (stage, condition): self.profile.rows(answers, found)
            for stage, by_condition in self.cells.items()
            for condition, answers in by_condition.items()
        }

    def result(self, found: Judgements) -> dict[str, Any]:
        """What `judge.json` holds."""
        rows = self.rows(found)
        profile: dict[str, Any] = {stage: {} for stage in self.cells}
        for (stage, condition), each in rows.items():
            profile[stage][condition] = self.profile.scores(each, control=condition != "full")
        seen = [row for (_, condition), each in rows.items() if condition == "full" for row in each]
        asked = len(self.questions())
        return {
            "judge": dict(self.bench.made_of),
            "rubric": VERSION,
            "items": len(self.items),
            "asked": asked,
            "failed": len(found.failures),
            "failures": sorted(set(found.failures.values()))[:5],
            "profile": profile,
            "duels": self._duels(found),
            "steadiness": steadiness(seen, self.settings.repeats),
            "controls": self.controls.look(found),
        }

    def _opponents(self, stage: str) -> Iterator[tuple[str, Sequence[str]]]:
        start = self.cells.get(self.starts.get(stage, ""), {})
        if START in self.settings.against and "full" in start and "full" in self.cells[stage]:
            yield self.starts[stage], start["full"]
        if REFERENCE in self.settings.against and "full" in self.cells[stage]:
            yield REFERENCE, [item.reference for item in self.items]

    def _questions(self) -> Iterator[Question]:
        yield from self.controls.questions()
        for duels in self.duels.values():
            yield from duels.questions()
        yield from self.profile.questions(self.cells)

    def _duels(self, found: Judgements) -> list[dict[str, Any]]:
        rows = [
            {"stage": stage, "against": opponent, **duels.scores(found)}
            for (stage, opponent), duels in self.duels.items()
        ]
        for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
            row["p_holm"] = p
            row["moved"] = row["moved"] and p < 0.05
        return rows


def standing(result: Mapping[str, Any], *, rehearsal: bool, labelled: bool) -> dict[str, Any]:
    """{"status", "why"}: how far a judge may be believed, and the sentences that say so."""
    why = [f"the judge {fault}" for fault in result["controls"]["faults"]]
    if rehearsal:
        return {"status": "rehearsal", "why": why}
    share = result["failed"] / max(1, result["asked"])
    if share > MOST_FAILED:
        said = "; ".join(result["failures"])
        failed = (
            f"the judge failed on {result['failed']} of {result['asked']} questions "
            f"({100 * share:.1f} %, where {100 * MOST_FAILED:.0f} % are borne): {said}"
        )
        return {"status": "invalid", "why": [failed, *why]}
    if why:
        return {"status": "unreliable", "why": why}
    return {"status": "measured" if labelled else "uncalibrated", "why": []}


REHEARSED, JUDGED = "rehearsed", "judged"
"""Before the name of an axis, in the tables of the run."""
SENTENCES: Final = {
    f"{REHEARSED}_{axis}": f"no judgement: the witness's count for {axis}, as a share of its scale"
    for axis in AXES
} | {
    f"{JUDGED}_{axis}": f"the judge's points for {axis}: 1 of 5 is 0, 5 of 5 is 100"
    for axis in AXES
}


def parts(
    hearing: Hearing, found: Judgements, items: Sequence[Item], prefix: str
) -> dict[tuple[str, str], dict[str, Parts]]:
    """(stage, condition) -> "<prefix>_<axis>" -> the scores as shares of their scale, for the
    tables of the run; None for items that were not judged."""
    at = {item.id: place for place, item in enumerate(hearing.items)}
    table: dict[tuple[str, str], dict[str, Parts]] = {}
    for cell, rows in hearing.rows(found).items():
        table[cell] = {}
        for axis in AXES:
            judged = hearing.profile.parts(rows, axis, control=cell[1] != "full")
            table[cell][f"{prefix}_{axis}"] = [
                judged[at[item.id]] if item.id in at else None for item in items
            ]
    return table
