"""Answers taken apart into statements, each checked against the picture by a teacher.

    evaluation/claims.json     how many, whether the teacher can be believed, and why not
    evaluation/claims.jsonl    {"key", "id", "text", "checks": [[statement, "yes"], …]}

A score is the share of an answer's statements that its picture shows: yes counts, no and unclear do
not. An answer that cannot be read, or states nothing, is one statement that is not shown. Where the
teacher failed, all counts against the claim. On every run it is tried on good texts as well: beside
their own pictures their statements must be shown surely more often than beside others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

from haiga.errors import TeacherError
from haiga.evaluation.checks import Part, Parts, clusters, score
from haiga.evaluation.conditions import Item
from haiga.evaluation.rating.controls import APART, FEWEST, controls_of
from haiga.evaluation.rating.rubric import Bench, asked_of, is_answer
from haiga.statistics.ranking import paired_auc
from haiga.store.files import fingerprint
from haiga.teachers.client import Request, Teacher
from haiga.teachers.exchanges import EXCHANGES, claims
from haiga.teachers.exchanges.words import template

CHECK: Final = "claims_shown"
SENTENCE: Final = (
    "of the statements that an answer makes, those that a teacher finds in its picture, one by one"
)
MOST_FAILED: Final = 0.02
Checks: TypeAlias = Sequence[tuple[str, str]]
"""Statements, and whether each is shown: yes, no, unclear."""
Cell: TypeAlias = tuple[str, str]
"""Stage and condition."""


@dataclass(frozen=True, slots=True)
class Case:
    """A text to be checked beside a picture."""

    key: str
    item: Item
    text: str


@dataclass(frozen=True)
class Inquiry:
    """All that a teacher is asked about the answers of a run."""

    bench: Bench
    items: Sequence[Item]
    cells: Mapping[Cell, Sequence[str]]
    """The answers to them."""
    controls: int
    """Good texts on which the teacher itself is tried."""
    seed: int

    def cases(self) -> list[Case]:
        """Every text beside every picture that it is checked against, each once; controls first."""
        return list({each.key: each for each in self._cases()}.values())

    def parts(self, found: Mapping[str, Checks], cell: Cell) -> Parts:
        """The scores of a cell's answers."""
        return [
            self._part(item, text, found, control=cell[1] != "full")
            for item, text in zip(self.items, self.cells[cell], strict=True)
        ]

    def result(self, found: Mapping[str, Checks], failures: Sequence[str]) -> dict[str, Any]:
        """What `claims.json` holds."""
        asked = len(self.cases())
        said: dict[str, Any] = {
            "teacher": dict(self.bench.made_of),
            "items": len(self.items),
            "asked": asked,
            "failed": len(failures),
            "failures": sorted(set(failures))[:5],
            "controls": self._controls(found),
        }
        return said | {"why": list(_faults(said))}

    def _cases(self) -> Iterator[Case]:
        for item, wrong in self._good():
            yield from (self._case(each, item.reference) for each in (item, wrong))
        for answers in self.cells.values():
            for item, text in zip(self.items, answers, strict=True):
                if is_answer(item, text):
                    yield self._case(item, text)

    def _good(self) -> list[tuple[Item, Item]]:
        """Items, and the same under another's picture; their references are good texts."""
        made = controls_of(self.bench, self.items, self.controls, self.seed)
        return list(zip(made.items, made.wrong, strict=True))

    def _case(self, item: Item, text: str) -> Case:
        words = [template(name, item.language) for name in EXCHANGES["claims"].words]
        pictures = [picture.id for picture in item.pictures]
        asked = [dict(self.bench.made_of), words, asked_of(item), pictures, text]
        return Case(fingerprint(asked), item, text)

    def _part(self, item: Item, text: str, found: Mapping[str, Checks], *, control: bool) -> Part:
        if not is_answer(item, text):
            return Part(0.0)
        checks = found.get(self._case(item, text).key)
        if checks is None:
            return Part(float(control))
        return Part(float(sum(said == "yes" for _, said in checks)), max(1.0, len(checks)))

    def _controls(self, found: Mapping[str, Checks]) -> dict[str, Any]:
        good = self._good()
        if len(good) < FEWEST:
            return {"n": len(good)}
        own = [self._part(item, item.reference, found, control=False) for item, _ in good]
        other = [self._part(wrong, wrong.reference, found, control=True) for _, wrong in good]
        groups = clusters([item for item, _ in good])
        shown, false = (
            [part.numerator / part.denominator for part in side] for side in (own, other)
        )
        apart = paired_auc(shown, false, groups, [0] * len(good), seed=self.seed)
        sides = {"own_picture": score(own, groups, seed=self.seed),
                 "another_picture": score(other, groups, seed=self.seed)}  # fmt: skip
        return {
            "n": len(good),
            **{name: asdict(each) for name, each in sides.items() if each is not None},
            "apart": asdict(apart),
        }


def check(teacher: Teacher, case: Case, pictures: Mapping[str, bytes]) -> Checks | str:
    """What a teacher finds of a text's statements, or why it failed."""
    item = case.item
    shown = tuple(pictures[picture.id] for picture in item.pictures)
    request = Request(item.task, asked_of(item), item.language, shown, meta=item.truth, row=item.id)
    try:
        return claims(teacher, request, case.text).checks
    except TeacherError as error:
        return str(error)


def _faults(said: Mapping[str, Any]) -> Iterator[str]:
    """Why the figures are in no table; each ends a sentence that begins with "the teacher"."""
    share = said["failed"] / max(1, said["asked"])
    if share > MOST_FAILED:
        yield (
            f"failed on {said['failed']} of {said['asked']} texts ({100 * share:.1f} %, where "
            f"{100 * MOST_FAILED:.0f} % are borne): {'; '.join(said['failures'])}"
        )
    controls = said["controls"]
    if "apart" not in controls:
        yield f"had {controls['n']} good texts to be tried on, and {FEWEST} are needed"
    elif controls["apart"]["mean"] < APART:
        yield (
            "finds the statements of good texts beside another picture as well: it tells the two "
            f"apart with an AUC of {controls['apart']['mean']:.2f}, where {APART} is needed"
        )
