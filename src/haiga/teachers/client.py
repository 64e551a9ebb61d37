"""A teacher is one method: `ask(Request) -> Response`.

Caching, metering and retrying are teachers around a teacher, so that no provider knows of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


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


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, and what it cost."""

    text: str
    model: str
    dollars: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0


class Teacher(Protocol):
    """Whoever answers."""

    @property
    def name(self) -> str: ...

    def ask(self, request: Request) -> Response: ...
