"""Which of two texts fits a picture better, asked in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal

from haiga.teachers.client import Request, Teacher, together
from haiga.teachers.exchanges.base import Held, Written
from haiga.teachers.exchanges.words import words
from haiga.teachers.structured import Record, ask_as

_SWAPPED: Final = {"first": "second", "second": "first", "equal": "equal"}


class Judgement(Record):
    """One look at two texts; what is seen stands first, so that it is written first."""

    evidence: list[str]
    """What is visible and speaks for or against either."""
    better: Literal["first", "second", "equal"]


@dataclass(frozen=True, slots=True)
class Preference:
    """What both orders said of the texts, named as they were given."""

    better: Literal["first", "second", "equal"]
    flipped: bool
    """The orders contradict each other: position decided and not the texts. Then none is better."""
    judgements: tuple[Judgement, Judgement]


def prefer(teacher: Teacher, request: Request, first: str, second: str) -> Preference:
    """Two calls, the texts in either order; who wrote them is not said.

    Both orders must name one text; where one order sees none better, the other does not decide.

    Raises:
        TeacherError: no answer, or none that can be read.
    """
    one, other = together(
        partial(_judged, teacher, request, first, second),
        partial(_judged, teacher, request, second, first),
    )
    if one.better == _SWAPPED[other.better]:
        return Preference(one.better, False, (one, other))
    flipped = "equal" not in (one.better, other.better)
    return Preference("equal", flipped, (one, other))


def _judged(teacher: Teacher, request: Request, first: str, second: str) -> Judgement:
    prompt = words("preference", request.language, asked=request.prompt, first=first, second=second)
    # Without the writer's own words on how to write: a judge is not in that voice.
    asked = replace(request, task=f"{request.task}.preference", prompt=prompt, system="")
    return ask_as(teacher, asked, Judgement)


def judged(teacher: Teacher, request: Request, texts: Sequence[str]) -> Held:
    """Two texts, the worse as the rejected answer of the better; both chosen where none is better.

    Raises TeacherError as `prefer`.
    """
    first, second = texts
    found = prefer(teacher, request, first, second)
    note = {"better": found.better, "flipped": found.flipped}
    if found.better == "equal":
        return Held((Written(first), Written(second)), note)
    good, bad = (first, second) if found.better == "first" else (second, first)
    return Held((Written(good), Written(bad, of=good)), note)
