"""What a model can be asked to write about a picture: a file for each task and language.

The student is asked with the first words of a file at inference, and in training with any of them,
so that it learns the task and not the sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from haiga.errors import RecipeError
from haiga.teachers import own

_FOLDER = Path(__file__).parent


def instructions(task: str, language: str) -> tuple[str, ...]:
    """The instructions for a task in a language, the standard one first.

    Raises:
        RecipeError: nobody has written any, or somebody else has written another task of that name.
    """
    shipped, mine = _shipped(task, language), own.own(task, language)
    if shipped and mine is not None:
        raise RecipeError(
            f"{own.FOLDER}/{task}.{language}.txt: haiga has a task {task!r} of its own; give yours "
            "another name."
        )
    if not shipped and mine is None:
        known = sorted(file.name.removesuffix(".txt") for file in _FOLDER.glob("*.txt"))
        raise RecipeError(
            f"No instruction is written for the task {task!r} in {language!r}. "
            f"There are: {', '.join([*known, *own.names()])}. A file of your own is looked for as "
            f"{own.FOLDER}/{task}.{language}.txt, where the command runs."
        )
    return mine.ask if mine is not None else shipped


@cache
def _shipped(task: str, language: str) -> tuple[str, ...]:
    path = _FOLDER / f"{task}.{language}.txt"
    if not path.is_file():
        return ()
    return tuple(line for line in path.read_text(encoding="utf-8").splitlines() if line)


def draw_instruction(task: str, language: str, pick: Callable[[int], int]) -> str:
    """One of a task's instructions, chosen by `pick(count) -> index`."""
    choices = instructions(task, language)
    return choices[pick(len(choices))]
