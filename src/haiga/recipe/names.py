"""The nearest valid name, for faults."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """ " (did you mean 'beta'?)" for the name most like `word`, or "" where none is like it."""
    close = difflib.get_close_matches(word, list(names), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def listed(names: Iterable[str]) -> str:
    """Names for a sentence, in their order; "nothing" for none."""
    return ", ".join(names) or "nothing"
