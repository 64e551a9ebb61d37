"""Answers in one's own words, a number or a name, and whether they state the right one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

_WORDS: Final = "zero one two three four five six seven eight nine ten eleven twelve"
NUMBERS: Final = {word: str(value) for value, word in enumerate(_WORDS.split())}
_STATED: Final = re.compile(r".*\b(?:answer|result)\s*(?:is|:|=)\s*(.+)|.*=\s*(.+)", re.DOTALL)
_ARTICLE: Final = re.compile(r"^(?:the|a|an) ")
_FORMS: Final = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),
    re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+"),
    re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"),
)
_TAILS: Final = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")


def states(answer: str, gold: str) -> bool:
    """Whether an answer is `gold` and nothing else, or states it ("the answer is …", "… = …").

    Case, full and half width, articles, number words, and a full stop make no difference; numbers
    are equal to two decimals, those below a tenth to two figures, and may carry a unit or a sign of
    money behind or before them.
    """
    wanted = _plain(gold)
    stated = _STATED.fullmatch(answer.strip())
    forms = [answer, (stated[1] or stated[2])] if stated else [answer]
    for form in map(_plain, forms):
        if form == wanted:
            return True
        if _number(wanted) is not None and _one_number(form) == _number(wanted):
            return True
    return False


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).strip().rstrip(".。").strip("\"'*` ").casefold()
    text = _ARTICLE.sub("", " ".join(text.split()))
    return NUMBERS.get(text, text)


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return None
    # Two decimals would make all that is small equal to nothing.
    return round(value, 2) if abs(value) >= 0.1 else float(f"{value:.2g}")


def _one_number(text: str) -> float | None:
    """The only number of a short text, "about $5.20", "3 cats"; None of a sentence."""
    words = text.split()
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)
    return _number(found[0]) if len(found) == 1 and len(words) <= 3 else None


def official(answer: str, gold: Sequence[str]) -> bool:
    """MMMU's rule: a gold text inside what the answer ends with, or a number equal to one there."""
    wanted = [form for each in gold for form in _forms(each)]
    texts = [each for each in wanted if isinstance(each, str)]
    for said in {form for part in _parts(answer) for form in _forms(part)}:
        if isinstance(said, str) and any(text in said for text in texts):
            return True
        if not isinstance(said, str) and said in wanted:
            return True
    return False


def _parts(answer: str) -> list[str]:
    """The tails of an answer's lines, and the numbers in them."""
    text = answer.strip().strip(".").lower()
    # The published pattern also splits sentences before a capital, and here none is left.
    lines = text.split("\n")
    tails = []
    for at, line in enumerate(lines):
        marks = (*_TAILS, "=") if at == len(lines) - 1 else _TAILS
        held = [line.split(mark)[-1].strip() for mark in marks if mark in line]
        # An empty tail counts as none yet, as it does there.
        shortest = None
        for each in held:
            shortest = each if not shortest or len(each) < len(shortest) else shortest
        if shortest and shortest not in set(":,.!?;'"):
            tails.append(shortest)
    tails = tails or [text]
    return tails + [number for tail in tails for form in _FORMS for number in form.findall(tail)]


def _forms(text: str) -> list[str | float]:
    """A text as it is compared: a number to two decimals, a lone letter beside a space."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        text = text.lower()
    return [f" {text}", f"{text} "] if len(text) == 1 else [text]
