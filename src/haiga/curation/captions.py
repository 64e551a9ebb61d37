"""Rules for texts: each reads a text and its language, and gives a reason or None."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from haiga.text.haiku import form as haiku_form
from haiga.text.language import is_in

Rule: TypeAlias = Callable[[str, str], str | None]

# Not \b: kana follow an address without a blank, and are word characters too.
_URL = re.compile(
    r"https?://|(?<![a-z])www\.|[\w-]{1,63}\.(?:com|org|net|jp|io)(?![a-z0-9])", re.IGNORECASE
)
_FILE = re.compile(
    r"(?:^|\s|\b[a-z]:)[\\/]{1,2}[^\s\\/]+[\\/]\S"  # a path; "red/white/blue" is none
    r"|\b(?:IMG|DSC|DSCN|DSCF|PICT|SAM|GOPR)[_-]?\d{3,}"  # a camera's name for a picture
    r"|\w\.(?:jpe?g|png|gif|tiff?|webp)\b",
    re.IGNORECASE,
)
_BOILERPLATE = re.compile(
    r"click (?:here|to)|read more|all rights reserved|untitled|stock photo|placeholder|image not",
    re.IGNORECASE,
)
_UNSPACED = {"ja", "zh", "th"}
_VERDICTS = {
    "pass": None,
    "possible": "5-7-5 only in an unusual reading",
    "unknown": "holds a word whose reading is not known",
    "fail": "not 5-7-5",
}


def words(text: str, language: str, *, minimum: int = 5, maximum: int = 200) -> str | None:
    """Between `minimum` and `maximum` words; characters where a language writes no spaces."""
    spaced = language not in _UNSPACED
    count = len(text.split()) if spaced else sum(not c.isspace() for c in text)
    unit = "words" if spaced else "characters"
    if count < minimum:
        return f"under {minimum} {unit}"
    return f"over {maximum} {unit}" if count > maximum else None


def plain(text: str, language: str) -> str | None:
    """No address, no path, no camera's file name, no boilerplate."""
    if _URL.search(text):
        return "contains an address"
    if _FILE.search(text):
        return "contains a file name"
    return "boilerplate" if _BOILERPLATE.search(text) else None


def language(text: str, language: str) -> str | None:
    """The text is in the language that it says it is in."""
    return None if is_in(text, language) else f"not in {language}"


def form(text: str, language: str) -> str | None:
    """A haiku of 5-7-5 syllables or morae."""
    return _VERDICTS[haiku_form(text, language).verdict]


RULES: dict[str, Callable[..., str | None]] = {
    "words": words,
    "plain": plain,
    "language": language,
    "form": form,
}


def fault(text: str, language: str, rules: Sequence[Rule]) -> str | None:
    """Why a text is set aside: it is empty, or the reason of the first rule that it fails."""
    if not text.strip():
        return "empty"
    return next((reason for rule in rules if (reason := rule(text, language))), None)
