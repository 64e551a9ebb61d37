"""Exchanges with a teacher about the texts of rows, and what becomes of the texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from haiga.curation.asking import Answered, ask, in_order, requests
from haiga.errors import TeacherError
from haiga.recipe.checks import traces_of
from haiga.records import Message, message_to_dict
from haiga.teachers import Request, Teacher
from haiga.teachers.by_task import author
from haiga.teachers.client import together
from haiga.teachers.exchanges import Held, Written

Text: TypeAlias = dict[str, str]


class Bound(NamedTuple):
    """An exchange as a recipe wants it."""

    name: str
    hold: Callable[[Teacher, Request, Sequence[str]], Held]
    takes: int
    """How many texts it is about."""
    whole: bool = False
    """Whether it is about all of a row's; `takes` is then the fewest."""


Exchanges: TypeAlias = Mapping[str, Sequence[Bound]]
"""Task -> the exchanges about its texts, one after another."""


def exchange(
    teacher: Teacher,
    rows: Sequence[Mapping[str, Any]],
    texts: Sequence[Sequence[Mapping[str, str]]],
    pictures: Mapping[str, bytes],
    exchanges: Exchanges,
) -> Generator[Answered, None, None]:
    """The texts of each row after the exchanges about them, in the order of the rows.

    An exchange is about a task's chosen texts. A rejected answer has "kind" and, as "of", the text
    of the chosen one that it belongs to. A trace is a text of its own task with its "prompt" and
    its "turns" as JSON. A text on which an exchange fails stays as it was.

    As many rows are in flight as the teacher takes at once; see `asking.ask` for closing.
    """
    jobs = (
        partial(_row, teacher, row, own, pictures, exchanges)
        for row, own in zip(rows, texts, strict=True)
    )
    outcomes = in_order(teacher, jobs)
    try:
        yield from outcomes
    finally:
        outcomes.close()


def talk(
    teacher: Teacher,
    row: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    answers: Mapping[str, int],
    exchanges: Exchanges,
) -> None:
    """Ask everything about a row: its texts, then what is asked about them.

    Raises:
        NotYet: an answer waits for its batch; what does not depend on it was asked.
    """
    together(*(partial(_asked, teacher, each) for each in requests(row, pictures, answers)))
    drafts = [each.texts for each in ask(teacher, [row], pictures, answers=answers)]
    list(exchange(teacher, [row], drafts, pictures, exchanges))


def _asked(teacher: Teacher, request: Request) -> None:
    with suppress(TeacherError):
        teacher.ask(request)


def _row(
    teacher: Teacher,
    row: Mapping[str, Any],
    texts: Sequence[Mapping[str, str]],
    pictures: Mapping[str, bytes],
    exchanges: Exchanges,
) -> Answered:
    found = Answered([dict(text) for text in texts])
    for task, each in exchanges.items():
        (request,) = requests(row, pictures, {task: 1})
        for bound in each:
            found = _held(teacher, request, found, bound)
    return found


def _held(teacher: Teacher, request: Request, before: Answered, bound: Bound) -> Answered:
    """What is there after one exchange about the texts of the request's task."""
    own = [text["text"] for text in before.texts if _is_chosen(text, request.task)]
    made: list[Text] = []
    changed: set[str] = set()
    failures, notes = list(before.failures), list(before.notes)
    each_about = _parted(own, bound)
    outcomes = together(*(partial(_outcome, teacher, request, bound, own) for own in each_about))
    for about, held in zip(each_about, outcomes, strict=True):
        if isinstance(held, TeacherError):
            failures.append(f"{request.task}, {bound.name}: {held}")
            continue
        changed.update(about)
        made += [_text(each, request.task, author(teacher, request.task)) for each in held.texts]
        notes.append({"exchange": bound.name, "task": request.task, "about": about, **held.note})
    kept = [
        text
        for text in before.texts
        if not (_is_chosen(text, request.task) and text["text"] in changed)
    ]
    return Answered(_once([*kept, *made]), failures, before.calls + len(outcomes), notes)


def _outcome(
    teacher: Teacher, request: Request, bound: Bound, about: Sequence[str]
) -> Held | TeacherError:
    try:
        return bound.hold(teacher, request, about)
    except TeacherError as error:
        return error


def _parted(texts: Sequence[str], bound: Bound) -> list[Sequence[str]]:
    """The texts that an exchange is about at a time; those left over are none of them."""
    takes = max(bound.takes, len(texts)) if bound.whole else bound.takes
    return [texts[at : at + takes] for at in range(0, len(texts) - takes + 1, takes)]


def _is_chosen(text: Mapping[str, str], task: str) -> bool:
    return text["task"] == task and text.get("kind", "chosen") == "chosen"


def _text(written: Written, task: str, source: str) -> Text:
    if written.trace:
        asked, told = written.trace[:3], written.trace[3:]
        said = {"task": traces_of(task), "source": source, "text": written.text}
        return {**said, "prompt": _json(asked), "turns": _json(told)}
    said = {"task": task, "source": source, "text": written.text}
    return {**said, "kind": "rejected", "of": written.of} if written.of else said


def _json(messages: Sequence[Message]) -> str:
    return json.dumps([message_to_dict(each) for each in messages], ensure_ascii=False)


def _once(texts: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The texts without repetitions of one kind in one task; a trace is never one."""
    found: dict[tuple[str, ...], Mapping[str, str]] = {}
    for text in texts:
        key = (text["task"], text.get("kind", ""), text.get("prompt", ""), text["text"])
        found.setdefault(key, text)
    return list(found.values())
