"""A judge is asked, again where it fails, and what it said is kept at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from haiga import events
from haiga.curation.asking import in_order
from haiga.curation.breaker import stop_if_most_fail
from haiga.errors import TeacherError
from haiga.evaluation.rating.rubric import Better, Question, Rating
from haiga.teachers.client import Teacher
from haiga.teachers.structured import Record, read_as

RETRIES: Final = 2
"""Times that a question is asked again whose answer could not be read."""
_AGAIN: Final = 1_000_000
"""What an attempt adds to the seed of a question, so that it is another one to a cache."""
KINDS: Final[dict[str, type[Record]]] = {kind.__name__: kind for kind in (Rating, Better)}
R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Judgements:
    """What a judge has said, by the keys of the questions."""

    records: Mapping[str, Record] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    """Why a question has no answer, however often it was asked."""

    def of(self, question: Question, kind: type[R]) -> R | None:
        """The answer to a question; None where the judge failed."""
        found = self.records.get(question.key)
        return found if isinstance(found, kind) else None


def unique(questions: Iterable[Question]) -> list[Question]:
    """Each question once, in order."""
    return list({question.key: question for question in questions}.values())


def open_questions(questions: Iterable[Question], path: Path) -> list[Question]:
    """Those that `path` holds no answer to, each once."""
    known = kept(path)
    return [each for each in unique(questions) if each.key not in known]


def ask(
    teacher: Teacher, questions: Sequence[Question], path: Path, emit: events.Sink
) -> Judgements:
    """The judge's answers, those kept in `path` aside; each is kept as it comes.

    A question whose answer cannot be read is asked `RETRIES` times more, as another question. What
    still has no answer is a failure, and asked anew by the next run.

    Raises:
        DataError: most questions fail, so that the fault is hardly in each of them.
        BudgetError: the next call could cost too much.
    """
    known, failures = kept(path), dict[str, str]()
    keep = events.to_jsonl(path)
    todo = [each for each in unique(questions) if each.key not in known]
    outcomes = in_order(teacher, (partial(outcome, teacher, each) for each in todo))
    try:
        for tried, (question, found) in enumerate(zip(todo, outcomes, strict=True), 1):
            if isinstance(found, str):
                failures[question.key] = found
                stop_if_most_fail("judgements", list(failures.values()), tried)
            else:
                known[question.key] = found
                said = found.model_dump(mode="json")
                keep({"key": question.key, "kind": question.kind.__name__, "said": said})
            emit({"kind": "progress", "stage": "judge", "done": tried, "total": len(todo)})
    finally:
        outcomes.close()
    asked = {each.key for each in questions}
    return Judgements({key: known[key] for key in asked & known.keys()}, failures)


def kept(path: Path) -> dict[str, Record]:
    """The judgements in a file, by the keys of their questions."""
    return {row["key"]: KINDS[row["kind"]].model_validate(row["said"]) for row in events.read(path)}


def outcome(teacher: Teacher, question: Question) -> Record | str:
    """What was said at the first attempt that can be read, or why nothing was at the last."""
    why = ""
    for attempt in range(1 + RETRIES):
        again = replace(question.request, seed=question.request.seed + _AGAIN * attempt)
        try:
            return read_as(teacher.ask(again), question.kind)
        except TeacherError as error:
            why = str(error)
    return why
