"""The words of an exchange, with texts that somebody else wrote set into them as data."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

from haiga.errors import RecipeError
from haiga.store.files import digest

_FOLDER = Path(__file__).parent
_FENCED = re.compile(r"^<text (\w+)>\n(.*?)\n</text \1>$", re.DOTALL | re.MULTILINE)


def words(name: str, language: str, **texts: str) -> str:
    """The file `<name>.<language>.txt`, each {field} of it filled with a text, fenced off.

    Raises:
        RecipeError: there is no such file.
    """
    return filled(template(name, language), **texts)


def filled(pattern: str, **texts: str) -> str:
    """`pattern`, each {field} of it filled with a text, fenced off.

    A text stands between marks that it cannot hold, without control characters and those that
    turn the direction of writing, so that it can neither end itself nor give orders unseen.
    """
    # The same texts have the same mark, so that a question can be found among those asked before.
    mark = digest("\n".join(texts.values()).encode())[:12]

    def fenced(field: re.Match[str]) -> str:
        text = texts[field[1]]
        plain = "".join(c for c in text if c == "\n" or unicodedata.category(c)[0] != "C")
        return f"<text {mark}>\n{plain.replace(mark, '').strip()}\n</text {mark}>"

    # In one pass: a text that holds "{draft}" is not a place for another.
    return re.sub(r"\{(\w+)\}", fenced, pattern)


def fenced_off(prompt: str) -> list[str]:
    """The texts that `filled` has set into a prompt, in their order."""
    return [found[2] for found in re.finditer(_FENCED, prompt)]


@cache
def template(name: str, language: str) -> str:
    """The file `<name>.<language>.txt`.

    Raises:
        RecipeError: there is no such file.
    """
    path = _FOLDER / f"{name}.{language}.txt"
    if not path.is_file():
        known = sorted(file.name.removesuffix(".txt") for file in _FOLDER.glob("*.txt"))
        raise RecipeError(
            f"No words are written for {name!r} in {language!r}. There are: {', '.join(known)}."
        )
    return path.read_text(encoding="utf-8").strip()
