"""The poets of the floating world: voices that write about a scene, from grammars.

`POETS` is the table of voices; each is a pure function of a scene, a language and a random
generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from numpy.random import Generator

from haiga.world.poets.captions import describe, tags, title
from haiga.world.poets.haiku import bare, haiku, haiku_with_reading
from haiga.world.poets.museum import museum
from haiga.world.poets.noir import noir
from haiga.world.scenes import Scene

__all__ = [
    "LANGUAGES",
    "POETS",
    "Poet",
    "bare",
    "describe",
    "haiku",
    "haiku_with_reading",
    "museum",
    "noir",
    "tags",
    "title",
]

Poet: TypeAlias = Callable[[Scene, str, Generator], str]

LANGUAGES: Final = ("en", "ja")

POETS: Final[dict[str, Poet]] = {
    "haiku": haiku,
    "bare": bare,
    "noir": noir,
    "museum": museum,
    "describe": describe,
    "title": title,
    "tag_haiku": haiku,
    "tag_noir": noir,
    "tag_museum": museum,
}
"""`tag_…` are the same voices, asked for by a tag."""
