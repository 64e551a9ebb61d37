"""A rejected answer out of a chosen one: one fact that the picture shows is changed.

The teacher only names the words and what shall stand in their place; they are put there here, so
that both answers are the same in everything else, and nothing but the picture tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from haiga.errors import TeacherError
from haiga.teachers.client import Request, Teacher
from haiga.teachers.exchanges.base import Held, Written
from haiga.teachers.exchanges.words import words
from haiga.teachers.structured import Record, ask_as


class Change(Record):
    """One change of fact."""

    kind: Literal["object", "count", "colour", "place"]
    said: str
    """Words of the text, exactly as they stand there, for something that the picture shows."""
    instead: str
    """Words for what the picture does not show, that fit in their place."""


@dataclass(frozen=True, slots=True)
class Hallucinated:
    """A text that is wrong in one fact."""

    text: str
    change: Change


def hallucinate(teacher: Teacher, request: Request, text: str) -> Hallucinated:
    """One call: `text` with one fact of its picture changed.

    Args:
        teacher: asked for the change.
        request: what `text` answers; its pictures are shown again.
        text: true to the picture.

    Raises:
        TeacherError: no answer, none that can be read, or a change that cannot be made: its words
            do not stand in the text exactly once, or nothing would be different.
    """
    prompt = words("hallucinate", request.language, text=text)
    asked = replace(request, task=f"{request.task}.hallucinate", prompt=prompt, system="")
    change = ask_as(teacher, asked, Change)
    said, instead = change.said.strip(), change.instead.strip()
    if not said or text.count(said) != 1:
        raise TeacherError(f"{said!r} does not stand in the text exactly once: {text!r}.")
    if not instead or instead.casefold() == said.casefold():
        raise TeacherError(f"{instead!r} in the place of {said!r} changes nothing.")
    return Hallucinated(text.replace(said, instead), change)


def altered(teacher: Teacher, request: Request, texts: Sequence[str]) -> Held:
    """A text, and beside it the same with one fact changed as its rejected answer.

    Raises TeacherError as `hallucinate`.
    """
    (text,) = texts
    found = hallucinate(teacher, request, text)
    return Held((Written(text), Written(found.text, of=text)), found.change.model_dump())
