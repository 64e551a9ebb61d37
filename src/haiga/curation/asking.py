"""The questions about rows to a teacher, and what came back."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

from haiga.errors import TeacherError
from haiga.teachers import Request, Teacher
from haiga.teachers.by_task import author
from haiga.teachers.client import text_of
from haiga.teachers.tasks import instructions
from haiga.teachers.voices import voice

T = TypeVar("T")


class Answered(NamedTuple):
    """What came back about a row."""

    texts: Sequence[Mapping[str, str]] = ()
    """Equal ones once. A text is {"task", "source", "text"}; where an exchange made it, also
    "kind", and "of", "prompt" and "turns" as `curation.exchanging` has them."""
    failures: Sequence[str] = ()
    """Each a sentence that begins with its task."""
    calls: int = 0
    """What was tried, that failed or not."""
    notes: Sequence[Mapping[str, Any]] = ()
    """What was said in exchanges."""


def ask(
    teacher: Teacher,
    rows: Sequence[Mapping[str, Any]],
    pictures: Mapping[str, bytes],
    *,
    answers: Mapping[str, int],
) -> Generator[Answered, None, None]:
    """What a teacher answers about each row, in the order of the rows.

    As many questions are in flight as the teacher takes at once. Whoever stops listening closes
    the iterator: questions that have not begun are then not asked.
    """
    asked = (each for row in rows for each in requests(row, pictures, answers))
    outcomes = in_order(teacher, (partial(_outcome, teacher, request) for request in asked))
    try:
        for _ in rows:
            texts: dict[tuple[str, str], dict[str, str]] = {}
            failures = []
            for task, calls in answers.items():
                for _ in range(calls):
                    text, failure = next(outcomes)
                    if failure is not None:
                        failures.append(f"{task}: {failure}")
                        continue
                    said = {"task": task, "source": author(teacher, task), "text": text}
                    texts.setdefault((task, text), said)
            yield Answered(list(texts.values()), failures, sum(answers.values()))
    finally:
        outcomes.close()


def requests(
    row: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    answers: Mapping[str, int],
    before: Mapping[str, int] | None = None,
) -> Iterator[Request]:
    """A row's questions: of each task as many as `answers` says, told apart by their seeds.

    `before` says how often a task was asked already: the next answers are others than those.
    """
    meta = json.loads(row["meta"])
    data = tuple(pictures[id_] for id_ in row["pictures"])
    language = row["language"]
    for task, calls in answers.items():
        words = instructions(task, language)[0]
        if not data and meta.get("description"):
            words = f"{meta['description']}\n{words}"
        how = voice(task, language)
        first = before.get(task, 0) if before else 0
        for seed in range(first, first + calls):
            yield Request(task, words, language, data, seed, meta, system=how, row=row["id"])


class Again(NamedTuple):
    """A text about a row that is wanted in the place of another."""

    row: Mapping[str, Any]
    task: str
    before: int
    """How many answers of the task were asked for about the row before."""


def once_more(
    teacher: Teacher, wanted: Again, pictures: Mapping[str, bytes]
) -> tuple[str, str | None]:
    """One more answer: its text and None, or "" and why it failed."""
    return _outcome(teacher, again(wanted, pictures))


def again(wanted: Again, pictures: Mapping[str, bytes]) -> Request:
    """The question for one more answer."""
    before = {wanted.task: wanted.before}
    (request,) = requests(wanted.row, pictures, {wanted.task: 1}, before)
    return request


def in_order(teacher: Teacher, jobs: Iterable[Callable[[], T]]) -> Generator[T, None, None]:
    """What each job returns, in order, as many of them at once as `teacher` may be asked."""
    if teacher.at_once == 1:
        for job in jobs:
            yield job()
        return
    pool = ThreadPoolExecutor(teacher.at_once)
    try:
        for future in [pool.submit(job) for job in jobs]:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _outcome(teacher: Teacher, request: Request) -> tuple[str, str | None]:
    """(text, None) or ("", why it failed)."""
    try:
        return text_of(teacher.ask(request)), None
    except TeacherError as error:
        return "", str(error)
