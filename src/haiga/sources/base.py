"""What a source hands over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from haiga.records import Answer, Message

MAX_BYTES: Final = 64 << 20
"""A larger picture file is refused before it is read: one of them could fill the memory."""

SERIES: Final = "series"
"""Things that have the same under this name in their `meta` stay on one side of a split."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that a source found: its pictures as they are, and what the source says of them."""

    id: str
    """Unique within the source; an object number, a file name, a scene."""
    pictures: tuple[tuple[bytes, str], ...] = ()
    """Each picture's bytes, untouched, and the suffix of its file (".jpg")."""
    caption: str = ""
    """The source's own words on it; empty where it has none."""
    language: str = "en"
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Title, artist, licence, truth: plain JSON values."""
    prompt: tuple[Message, ...] = ()
    """The source's own question, with a place for every picture; empty where it asks none."""
    answers: tuple[Answer, ...] = ()
    """The source's own answers to `prompt`, chosen and rejected ones."""
    fault: str = ""
    """Why it cannot be used: it is set aside under this reason and counted. The details that tell
    one such thing from another belong in `id` and `meta`, so that reasons can be counted."""
