"""The letter that lmms-eval 0.7 finds in an answer (`_task_utils/mcq_extract.py`), to compare with.

It finds a letter in "NBA players" (A) and in "concerning" none; `text.answers.choice` is what is
scored by. Of several finds the surest form wins, and of one form the last place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

# Its forms, the surest first, with their weights there.
START, END, PHRASE, BRACKETS, POINT, COLON, BRACKET, SPACE, ANYWHERE = 10, 9, 7, 6, 5, 4, 3, 2, 0
_FORMS: Final = (
    ("({})", BRACKETS), ("{}.", POINT), ("{}:", COLON), ("{})", BRACKET), ("{} ", SPACE),
)  # fmt: skip
PHRASES: Final = (
    *(f"{which}answer is" for which in
      ("", "the ", "my ", "correct ", "the correct ", "best ", "the best ")),
    *(f"{which}option is" for which in ("correct ", "the correct ", "best ", "the best ")),
    *(f"{which}choice is" for which in ("", "the ", "my ", "correct ", "the correct ")),
    "i choose", "i select", "i pick", "옵션", "정답은", "답은", "답:", "答案是", "答案为", "选",
    "答えは",
)  # fmt: skip
"""Each is looked for once, from the left: a longer one may begin behind where a shorter one did."""


def extracted(answer: str, letters: str) -> str:
    """The letter among `letters`, or "" where there is none of any form."""
    text = answer.strip()
    for mark in (",", ".", "!", "?", ";", ":", "'", '"'):
        text = text.strip(mark)
    if not answer.strip():
        return ""
    found = list(_found(f" {text} ", letters)) or [
        (ANYWHERE, f" {text} ".rfind(letter), letter) for letter in letters if letter in text
    ]
    return max(found, key=lambda each: each[:2])[2] if found else ""


def _found(text: str, letters: str) -> Iterator[tuple[int, int, str]]:
    """(weight, place, letter) of every find."""
    for form, weight in _FORMS:
        for letter in letters:
            place = text.rfind(form.format(letter))
            if place >= 0:
                yield weight, place, letter
    small, bare = text.lower(), text.strip()
    for phrase in PHRASES:
        at = small.find(phrase)
        for letter in letters if at >= 0 else "":
            place = text.find(letter, at + len(phrase))
            if place >= 0:
                yield PHRASE, place, letter
    for letter in letters:
        if bare.startswith(letter) and not bare[1:2].isalpha():
            yield START, 0, letter
        if bare.endswith(letter) and not bare[-2:-1].isalpha():
            yield END, len(text) - 1, letter
