"""What a source hands over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that a source found: its pictures as they are, and what the source says of them."""

    id: str
    """Unique within the source; an object number, a file name, a scene."""
    pictures: tuple[tuple[bytes, str], ...]
    """Each picture's bytes, untouched, and the suffix of its file (".jpg")."""
    caption: str = ""
    """The source's own words on it; empty where it has none."""
    language: str = "en"
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Title, artist, licence, truth: plain JSON values."""
