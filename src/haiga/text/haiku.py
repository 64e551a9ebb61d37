"""The form of a haiku: three lines of 5, 7 and 5 syllables or morae."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from haiga.errors import DataError
from haiga.text import english, japanese

Verdict: TypeAlias = Literal["pass", "possible", "fail", "unknown"]
Counts: TypeAlias = frozenset[int] | None

PATTERN: Final = (5, 7, 5)
BREAK: Final = re.compile(r"\r\n|[\n\r\u2028\u2029]|\s+/\s+|／")


@dataclass(frozen=True, slots=True)
class Form:
    """The lines of a poem, what each can count, and whether that makes a haiku."""

    lines: tuple[str, ...]
    counts: tuple[Counts, ...]
    """Possible counts of each line; None for a Japanese line that cannot be read."""
    verdict: Verdict


def form(poem: str, language: str, readings: Mapping[str, str] | None = None) -> Form:
    """Judge the form of a poem in "en" or "ja".

    Lines are broken at line ends and at " / " (／); a Japanese poem on one line also at spaces.
    "pass": exactly three lines that can be 5-7-5. "possible", Japanese only: 5-7-5 under the
    dictionary's second reading of a line; more lines of a wrong count get this far (see
    `docs/evaluation.md`), so never reward it. "unknown", Japanese only: three lines, none of which
    is known to fail, and one cannot be read (install the extra `ja`, or give `readings`: see
    `japanese.morae`). Else "fail".

    Raises DataError for another language.
    """
    if language not in JUDGES:
        known = ", ".join(sorted(JUDGES))
        raise DataError(
            f'No haiku form is known for the language "{language}"; it is known for: {known}.'
        )
    lines = _lines(poem, language)
    return Form(lines, *JUDGES[language](lines, readings))


def _lines(poem: str, language: str) -> tuple[str, ...]:
    lines = tuple(line.strip() for line in BREAK.split(poem) if line.strip())
    if language == "ja" and len(lines) == 1:
        return tuple(lines[0].split())
    return lines


def _english(
    lines: tuple[str, ...], readings: Mapping[str, str] | None
) -> tuple[tuple[Counts, ...], Verdict]:
    counts = tuple(english.syllables(line) for line in lines)
    return counts, "pass" if _fits(counts) else "fail"


def _japanese(
    lines: tuple[str, ...], readings: Mapping[str, str] | None
) -> tuple[tuple[Counts, ...], Verdict]:
    usual = tuple(japanese.morae(line, readings) for line in lines)
    if _fits(usual):
        return usual, "pass"
    counts = tuple(japanese.morae(line, readings, nbest=2) for line in lines)
    if _fits(counts):
        return counts, "possible"
    readable_fit = len(lines) == len(PATTERN) and all(
        count is None or wanted in count for count, wanted in zip(counts, PATTERN, strict=True)
    )
    return counts, "unknown" if readable_fit else "fail"


def _fits(counts: tuple[Counts, ...]) -> bool:
    return len(counts) == len(PATTERN) and all(
        count is not None and wanted in count for count, wanted in zip(counts, PATTERN, strict=True)
    )


_Judge: TypeAlias = Callable[
    [tuple[str, ...], Mapping[str, str] | None], tuple[tuple[Counts, ...], Verdict]
]
JUDGES: Final[dict[str, _Judge]] = {"en": _english, "ja": _japanese}
