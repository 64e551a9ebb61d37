"""What the machine costs that trains and evaluates: lines beside the paid calls in ledger.jsonl."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from haiga.events import to_jsonl
from haiga.pipeline.costing import machine
from haiga.pipeline.run import Run


def bill(run: Run, stage: str, seconds: float) -> None:
    """Put the time that a stage took, over all its sessions, into the ledger at the recipe's price.

    Nothing where the recipe names no price.
    """
    price = run.recipe.hour
    if price is None:
        return
    to_jsonl(run.folder / "ledger.jsonl")(
        {
            "stage": stage,
            "model": machine(),
            "dollars": seconds / 3600 * price,
            "seconds": round(seconds, 3),
            "hours": seconds / 3600,
        }
    )


@contextmanager
def counted(run: Run, stage: str) -> Iterator[None]:
    """`bill` for what is done inside, also where it breaks off; a kill leaves no line."""
    began = time.monotonic()
    try:
        yield
    finally:
        bill(run, stage, time.monotonic() - began)
