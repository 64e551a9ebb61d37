"""A text as the statements that it makes, each checked against the picture by itself.

A judge of whole texts likes the longer and the more fluent; whether one thing is to be seen is a
question that it answers better (RLAIF-V, Yu et al. 2024, arXiv 2405.17220). The score of a text is
the share of its statements that the picture shows. Short texts have few statements and are safer,
so that pairs are made of texts of like length alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from haiga.teachers.client import Request, Teacher, together
from haiga.teachers.exchanges.base import Held, Written
from haiga.teachers.exchanges.words import words
from haiga.teachers.structured import Record, ask_as
from haiga.text.pairing import Scored, widest


class Statements(Record):
    """What a text says of its picture, one thing at a time."""

    statements: list[str]
    """Each a sentence that can be understood, and be true or false, by itself."""


class Check(Record):
    """One statement beside the picture."""

    seen: str
    """What is to be seen there, written before it is decided."""
    shown: Literal["yes", "no", "unclear"]


@dataclass(frozen=True, slots=True)
class Claims:
    """The statements of a text, and which of them the picture shows."""

    text: str
    checks: tuple[tuple[str, Literal["yes", "no", "unclear"]], ...]

    @property
    def score(self) -> float | None:
        """The share that is shown, from 0 to 1; None where the text states nothing."""
        if not self.checks:
            return None
        return sum(shown == "yes" for _, shown in self.checks) / len(self.checks)


def claims(teacher: Teacher, request: Request, text: str) -> Claims:
    """One call to take `text` apart, without its picture, and one for each of its statements.

    Args:
        teacher: asked.
        request: what `text` answers; its pictures are shown again with every statement.
        text: of anybody.

    Raises:
        TeacherError: no answer, or none that can be read.
    """
    prompt = words("claims", request.language, asked=request.prompt, text=text)
    apart = replace(
        request, task=f"{request.task}.claims", prompt=prompt, system="", pictures=(), seed=0
    )
    found = dict.fromkeys(each.strip() for each in ask_as(teacher, apart, Statements).statements)
    said = [each for each in found if each]
    checks = together(*(partial(_shown, teacher, request, each) for each in said))
    return Claims(text, tuple(zip(said, checks, strict=True)))


def _shown(teacher: Teacher, request: Request, statement: str) -> Literal["yes", "no", "unclear"]:
    prompt = words("check", request.language, statement=statement)
    asked = replace(request, task=f"{request.task}.check", prompt=prompt, system="", seed=0)
    return ask_as(teacher, asked, Check).shown


def ranked(
    teacher: Teacher,
    request: Request,
    texts: Sequence[str],
    *,
    gap: Annotated[float, Field(gt=0, le=1)] = 0.25,
    length: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.25,
) -> Held:
    """All texts about a picture, a worse one as the rejected answer of a better one.

    Of all pairs that may be made, the one with the largest gap is, and among equals that of the
    most equal lengths. The other texts stay as they are.

    Args:
        teacher: asked, see `claims`.
        request: what the texts answer.
        texts: two or more.
        gap: by how much the score of a chosen text is at least above that of its rejected one.
        length: how many times as long, in characters, either of the two may be.

    Raises:
        TeacherError: as `claims`.
    """
    found = together(*(partial(claims, teacher, request, each) for each in texts))
    note = {
        "scores": [each.score for each in found],
        "not_shown": [[said for said, shown in each.checks if shown == "no"] for each in found],
    }
    scored = [Scored(each.text, each.score) for each in found if each.score is not None]
    pair = widest(scored, gap, length)
    if pair is None:
        return Held(tuple(map(Written, texts)), note)
    good, bad = pair
    kept = tuple(Written(text) for text in texts if text != bad)
    return Held((*kept, Written(bad, of=good)), note)
