"""What an exchange about a row's texts leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from haiga.records import Message


@dataclass(frozen=True, slots=True)
class Written:
    """A text that is there after an exchange."""

    text: str
    of: str = ""
    """The text of the chosen answer whose rejected one this is; "" for a chosen answer."""
    trace: tuple[Message, ...] = ()
    """A conversation that ends in `text` and is learned apart from its task: its first three turns
    are the question, and what follows is learned."""


@dataclass(frozen=True, slots=True)
class Held:
    """What became of the texts that went into an exchange."""

    texts: tuple[Written, ...]
    note: Mapping[str, Any]
    """What was said of them, as JSON has it."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A way to talk about texts that are there."""

    hold: Callable[..., Held]
    """(teacher, request, texts), and the options of a recipe, keyword-only."""
    takes: int
    """How many texts it is about; what is left over of a row's stays as it is."""
    words: tuple[str, ...]
    """The files of its words."""
    whole: bool = False
    """Whether it is about all texts of a row at once; `takes` is then the fewest."""
