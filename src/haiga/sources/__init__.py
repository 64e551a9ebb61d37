"""Where pictures come from. One file and one line in the table for each source."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from haiga.sources.base import Found, Source
from haiga.sources.floating_world import floating_world

SOURCES: dict[str, Callable[..., Iterator[Found]]] = {
    "floating_world": floating_world,
}

__all__ = ["SOURCES", "Found", "Source"]
