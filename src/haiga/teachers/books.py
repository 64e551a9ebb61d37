"""Where a run keeps what it has asked and paid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from haiga.teachers.meter import Spend


@dataclass(frozen=True)
class Books:
    """Where a run keeps what it has asked and paid."""

    answers: Path
    """The folder of the answers that came back."""
    spend: Spend
    spent: Callable[[str], float]
    """Model -> what it has cost in this run before."""
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The recipe's own, by model: dollars per million tokens in and out."""
    billed: Callable[[str], set[str]] = lambda batch: set()
    """The id of a batch -> its questions that are in the ledger already."""
    asked: Spend = lambda line: None
    """Told of every direct call before it is made and once it is over."""
    say: Callable[[str], None] = lambda text: None
    """Told what becomes of batches, which may take hours."""
