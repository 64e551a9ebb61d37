"""Voices of one's own: a file for each task and language in the folder `voices` beside the command.

what the student is asked, a line each; the first is what it is asked at inference
(an empty line)
how the teacher shall write
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from haiga.errors import RecipeError

FOLDER: Final = Path("voices")


class Voice(NamedTuple):
    """A task that somebody has written for it."""

    ask: tuple[str, ...]
    how: str


def own(task: str, language: str) -> Voice | None:
    """The voice of a task in a language, None where nobody has written one.

    Raises:
        RecipeError: its file is not of the form above.
    """
    path = (FOLDER / f"{task}.{language}.txt").absolute()
    return _read(path, path.stat().st_mtime_ns) if path.is_file() else None


def names() -> list[str]:
    """What there is, as "letter.en"."""
    return sorted(path.name.removesuffix(".txt") for path in FOLDER.glob("*.*.txt"))


@cache
def _read(path: Path, changed: int) -> Voice:
    asked, _, how = path.read_text(encoding="utf-8").strip().partition("\n\n")
    if not asked or not how.strip():
        raise RecipeError(
            f"{FOLDER / path.name}: begin with what is asked, a line each, then an empty line, and "
            "then say how the teacher shall write."
        )
    return Voice(tuple(line.strip() for line in asked.splitlines()), how.strip())
