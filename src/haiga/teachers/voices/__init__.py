"""How a teacher shall write: a file for each task and language, sent beside the instruction.

The student never reads these; it learns them from what the teacher writes. What form that has is in
forms.toml.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from haiga.teachers.own import own

_FOLDER = Path(__file__).parent


def voice(task: str, language: str) -> str:
    """How to write for a task in a language; "" where nobody has said it."""
    mine = own(task, language)
    return _shipped(task, language) if mine is None else mine.how


@cache
def _shipped(task: str, language: str) -> str:
    path = _FOLDER / f"{task}.{language}.txt"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def form(task: str, language: str) -> list[dict[str, Any]]:
    """The rules of `[curate.texts]` that a shipped voice keeps; none where nobody has said them."""
    return list(_forms().get(language, {}).get(task, []))


@cache
def _forms() -> dict[str, Any]:
    return tomllib.loads((_FOLDER / "forms.toml").read_text(encoding="utf-8"))
