"""The poets of the floating world: voices that write about a scene, from grammars.

`POETS` is the table of voices; each is a pure function of a scene, a language and a random
generator. `PROMPTS` holds what a user says to ask for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from numpy.random import Generator

from haiga.world.poets.captions import describe, tags
from haiga.world.poets.haiku import bare, haiku, haiku_with_reading
from haiga.world.poets.noir import noir
from haiga.world.scenes import Scene

__all__ = [
    "LANGUAGES",
    "POETS",
    "PROMPTS",
    "Poet",
    "bare",
    "describe",
    "haiku",
    "haiku_with_reading",
    "noir",
    "tags",
]

Poet: TypeAlias = Callable[[Scene, str, Generator], str]

LANGUAGES: Final = ("en", "ja")

POETS: Final[dict[str, Poet]] = {
    "haiku": haiku,
    "bare": bare,
    "noir": noir,
    "describe": describe,
}

_HAIKU_PROMPTS: Final = {
    "en": (
        "Write a haiku about this print.",
        "Answer this picture with a haiku.",
        "Three lines, please: five, seven and five syllables on this print.",
    ),
    "ja": (
        "この版画を俳句にしてください。",
        "この絵で一句お願いします。",
        "この版画を五七五で詠んでください。",
    ),
}

PROMPTS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    # The bare voice answers the same request as the good one: it is the answer to reject.
    **{
        (voice, language): _HAIKU_PROMPTS[language]
        for voice in ("haiku", "bare")
        for language in LANGUAGES
    },
    ("describe", "en"): (
        "Describe this print.",
        "What does this picture show?",
        "Caption this print plainly.",
    ),
    ("describe", "ja"): (
        "この版画を説明してください。",
        "この絵には何が描かれていますか。",
    ),
    ("noir", "en"): (
        "Caption this print as a noir detective.",
        "What would a hard-boiled detective say of this picture?",
    ),
    ("noir", "ja"): (
        "この版画に探偵小説ふうの言葉を添えてください。",
        "ハードボイルドな探偵として、この絵を語ってください。",
    ),
}
