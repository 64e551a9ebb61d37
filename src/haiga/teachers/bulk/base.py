"""What a provider's desk takes and gives back: a batch of questions, and its answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from haiga.errors import TeacherError
from haiga.teachers.client import Request, Response

BYTES: Final = 64 * 2**20
"""Of one batch as it is sent. Providers take 200 MB and more, but it is put together in memory."""


class State(NamedTuple):
    """Where a batch stands."""

    ended: bool
    fault: str = ""
    """Why none of its questions was asked."""
    full: bool = False
    """Whether that is because too much is under way: once something has ended it may be sent."""


class Result(NamedTuple):
    """What became of one question of a batch."""

    id: str
    response: Response | None
    """None where there is no answer; nothing is then paid."""
    fault: str = ""
    again: bool = False
    """Whether the question may be asked again."""
    full: bool = False
    """Whether its batch was refused because too much is under way."""


@dataclass(frozen=True)
class Desk:
    """A provider's way to take questions in batches. Every function raises as `http.post`."""

    line: Callable[[str, Request], bytes]
    """A question under its id, as JSON; raises TeacherError where a picture cannot be shown."""
    send: Callable[[str, Sequence[bytes]], str]
    """Hands in questions under a name of ours; returns the provider's id of the batch."""
    state: Callable[[str], State]
    results: Callable[[str], Iterator[Result]]
    """As they come, in any order; what was read when it breaks off is true."""
    candidates: Callable[[str, int, float], list[str]]
    """The ids of batches that can be the one handed in under a name, with so many questions and
    not before a time (seconds since 1970)."""


def id_of(answer: Mapping[str, Any], form: str) -> str:
    """The id that a provider gave what it was sent.

    Raises:
        TeacherError: there is none; `form` says what the answer should have been.
    """
    found = answer.get("id")
    if not isinstance(found, str) or not found:
        raise TeacherError(f"An answer of another form than {form} came back.")
    return found


def as_line(value: Mapping[str, Any]) -> bytes:
    """A value as JSON without a line break."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def read(
    id_: str, response: Callable[[dict[str, Any]], Response], answer: dict[str, Any]
) -> Result:
    """The result of a question with an answer, which may be of a form that nobody knows."""
    try:
        return Result(id_, response(answer))
    except TeacherError as error:
        return Result(id_, None, str(error))
