"""One bad row costs one row; when most rows fail, the fault is not in the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from haiga.errors import DataError

AT_LEAST: Final = 8
"""Fewer failures than this prove nothing about the rest."""


def stop_if_most_fail(what: str, failures: Sequence[str], tried: int, *, earlier: int = 0) -> None:
    """Stop a stage in which more than half of what was tried has failed.

    Otherwise a wrong key or a missing decoder would empty the whole collection, a row at a time,
    each with a reason of its own.

    Args:
        what: what was tried, in the plural: "pictures", "calls".
        failures: the sentence of each failure so far.
        tried: how many were tried so far.
        earlier: failures before those, whose sentences are not at hand.

    Raises:
        DataError: at least `AT_LEAST` failed, and more than half.
    """
    failed = earlier + len(failures)
    if not failures or failed < AT_LEAST or 2 * failed <= tried:
        return
    usual, count = Counter(failures).most_common(1)[0]
    usual = usual if usual.endswith((".", "!", "?")) else f"{usual}."  # others' words may not end
    raise DataError(
        f"{failed} of the first {tried} {what} failed, so the fault is hardly in each of "
        f"them. {count} failed with: {usual} The stage was stopped and nothing was decided; mend "
        "the cause and run the same command again."
    )
