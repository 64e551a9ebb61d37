"""The questions about rows to a teacher, and what came back."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from haiga.errors import TeacherError
from haiga.teachers import Request, Teacher
from haiga.teachers.client import text_of
from haiga.teachers.tasks import instructions
from haiga.teachers.voices import voice

Answered: TypeAlias = tuple[list[dict[str, str]], list[str]]
"""The texts of a row, equal ones once, and what failed. A text is {"task", "source", "text"}, a
failure a sentence that begins with its task."""


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
    outcomes = _outcomes(teacher, rows, pictures, answers)
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
                    said = {"task": task, "source": teacher.name, "text": text}
                    texts.setdefault((task, text), said)
            yield list(texts.values()), failures
    finally:
        outcomes.close()


def requests(
    row: Mapping[str, Any], pictures: Mapping[str, bytes], answers: Mapping[str, int]
) -> Iterator[Request]:
    """A row's questions: of each task as many as `answers` says, told apart by their seeds."""
    meta = json.loads(row["meta"])
    data = tuple(pictures[id_] for id_ in row["pictures"])
    language = row["language"]
    for task, calls in answers.items():
        words = instructions(task, language)[0]
        if not data and meta.get("description"):
            words = f"{meta['description']}\n{words}"
        how = voice(task, language)
        for seed in range(calls):
            yield Request(task, words, language, data, seed, meta, system=how, row=row["id"])


def _outcomes(
    teacher: Teacher,
    rows: Sequence[Mapping[str, Any]],
    pictures: Mapping[str, bytes],
    answers: Mapping[str, int],
) -> Generator[tuple[str, str | None], None, None]:
    """(text, None) or ("", why it failed) of each question, in order."""
    asked = (request for row in rows for request in requests(row, pictures, answers))
    if teacher.at_once == 1:
        for request in asked:
            yield _outcome(teacher, request)
        return
    pool = ThreadPoolExecutor(teacher.at_once)
    try:
        for future in [pool.submit(_outcome, teacher, request) for request in asked]:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _outcome(teacher: Teacher, request: Request) -> tuple[str, str | None]:
    try:
        return text_of(teacher.ask(request)), None
    except TeacherError as error:
        return "", str(error)
