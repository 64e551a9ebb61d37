"""Poems in the public domain: to count by, and to find copies of."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final, NamedTuple

from haiga.text.japanese import count_kana

LANGUAGES: Final = ("en", "ja")


class Classic(NamedTuple):
    """A poem, and how many syllables or morae each of its lines has."""

    poet: str
    lines: tuple[str, ...]
    counts: tuple[int, ...]
    """English: by hand. Japanese: of the reading that is printed beside the poem."""
    fresh: bool = False
    """It was written down after the counters had last been mended."""


@cache
def classics(language: str) -> tuple[Classic, ...]:
    """The poems in "en" or "ja"; none in another language."""
    if language not in LANGUAGES:
        return ()
    file = resources.files("haiga.text").joinpath(f"data/classics_{language}.tsv")
    found: list[Classic] = []
    comments = 0
    for row in file.read_text(encoding="utf-8").splitlines():
        if row.startswith("#"):
            comments += 1  # the second one begins what is fresh
        else:
            poet, poem, counted = row.split("\t")
            counts = _morae(counted) if language == "ja" else tuple(map(int, counted.split()))
            found.append(Classic(poet, tuple(poem.split(" / ")), counts, comments > 1))
    return tuple(found)


def _morae(reading: str) -> tuple[int, ...]:
    return tuple(count_kana(line) for line in reading.split(" / "))
