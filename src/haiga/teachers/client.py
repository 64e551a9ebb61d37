"""A teacher is one method: `ask(Request) -> Response`.

Caching, metering, retrying and pacing are teachers around a teacher, so that no provider knows of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

from pydantic import ConfigDict, Field

from haiga.errors import TeacherError

if TYPE_CHECKING:
    from haiga.teachers.bulk.base import Desk

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a teacher."""

    task: str
    """What is asked for: "haiku", "noir", …; a provider that needs words takes `prompt`."""
    prompt: str
    language: str
    pictures: tuple[bytes, ...] = ()
    """The original files, not a tower's view: a teacher invents what it cannot see."""
    seed: int = 0
    """Tells repeated questions about one picture apart."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """What the source knows of the picture."""
    system: str = ""
    """How to write, apart from what is asked."""
    schema: Mapping[str, Any] | None = None
    """The answer must be JSON of this schema; whoever reads it validates it all the same."""
    row: str = ""
    """For whom it is asked; the ledger's, no part of the question."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, and what it cost."""

    text: str
    model: str
    dollars: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    """Those of `tokens_in` that the provider had read before, which are cheaper."""
    tokens_written: int = 0
    """Those of `tokens_in` that the provider has kept for the next time, which are dearer."""
    stop: str = "end"
    """"end", "length" (cut off), "refusal", or the provider's own word for anything else."""


class Teacher(Protocol):
    """Whoever answers."""

    @property
    def name(self) -> str: ...

    @property
    def at_once(self) -> int: ...

    def ask(self, request: Request) -> Response: ...


@dataclass(frozen=True)
class Pace:
    """How fast a server may be asked."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    at_once: Annotated[int, Field(ge=1, le=64)] = 4
    """Questions in flight together."""
    per_minute: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Questions begun in a minute, asked again or not; any number where none is given."""
    batch: Annotated[int, Field(ge=1, le=50_000)] | None = None
    """Questions that are sent together, at half the price and answered within a day; each by
    itself where none is given. The two above are then not looked at."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A teacher behind an address, and the terms on which it is asked.

    A wrapper is the same teacher with another `ask`: `replace(teacher, ask=…)`.
    """

    name: str
    model: str
    ask: Callable[[Request], Response]
    tokens_in: Callable[[Request], int]
    """What a question will be counted as; at least that, or near to it."""
    max_tokens: int
    """The longest answer."""
    url: str
    key: str
    """The environment variable that holds its key. The key itself is read where it is sent."""
    local: bool
    """On this machine: it may have no key, and no price."""
    pace: Pace
    max_dollars: float | None
    desk: Desk
    """Where its questions can be handed in in batches."""

    @property
    def at_once(self) -> int:
        return self.pace.at_once


class NotYet(Exception):  # noqa: N818 - nothing went wrong
    """The answer is not there yet: the question waits for its batch."""


def together(*jobs: Callable[[], T]) -> list[T]:
    """What each of several jobs returns that do not wait for one another.

    Raises:
        NotYet: one waits for an answer; the others were begun nevertheless.
    """
    found, waits = [], None
    for job in jobs:
        try:
            found.append(job())
        except NotYet as error:
            waits = error
    if waits is not None:
        raise waits
    return found


def text_of(response: Response) -> str:
    """The text of an answer that is one.

    Raises:
        TeacherError: it was refused, cut off, or empty.
    """
    if response.stop == "refusal":
        raise TeacherError(f"{response.model} refused to answer.")
    if response.stop == "length":
        raise TeacherError(
            f"{response.model} was cut off after {response.tokens_out} tokens, its thinking "
            "included; raise max_tokens, or ask for less effort."
        )
    if response.stop != "end":
        raise TeacherError(f"{response.model} stopped before its end ({response.stop!r}).")
    if not response.text.strip():
        raise TeacherError(f"{response.model} answered with nothing.")
    return response.text.strip()
