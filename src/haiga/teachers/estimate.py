"""What questions will cost, before one is asked: as counted, and as measured on calls before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

from haiga.teachers.client import Remote, Request
from haiga.teachers.meter import likely_in, most_in
from haiga.teachers.prices import Price, dollars, dollars_at_most, in_batch

GUESSED_OUT: Final = 150
GUESSED_SECONDS: Final = 5.0
"""Of a call, until some were measured."""
BATCH_SECONDS: Final = 3600.0
"""Of a batch: most have ended by then, and every one within a day."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls, and what they cost; an estimate or a fact."""

    calls: int
    tokens_in: int
    tokens_out: int
    dollars: float
    seconds: float
    """On the clock, several calls at a time."""
    most: float = 0.0
    """Dollars, if every answer were as long as it may be."""
    measured: int = 0
    """Calls before, on which the length of answers was measured; 0: it is guessed."""


def estimate(
    teacher: Remote,
    requests: Iterable[Request],
    price: Price | None,
    *,
    ledger: Sequence[Mapping[str, Any]] = (),
    is_kept: Callable[[Request], bool] = lambda request: False,
) -> Cost:
    """What it will cost to ask `requests`, those aside whose answers are kept.

    Tokens in are counted from the pictures and the words. Answers are taken to be as long, and to
    take as long, as those of the same task and model in `ledger`. A teacher that is asked in
    batches costs what batches cost, and takes an hour for a text, and one for each thing that is
    asked about it.
    """
    own = [row for row in ledger if row.get("model") == teacher.model]
    usual = _usual(own, float(min(GUESSED_OUT, teacher.max_tokens)))
    bulk = teacher.pace.batch is not None
    price = in_batch(price) if bulk else price
    asked: Counter[str] = Counter()
    tokens_in, most = 0, 0.0
    for request in requests:
        if not is_kept(request):
            asked[request.task] += 1
            tokens_in += likely_in(teacher, request)
            most += dollars_at_most(price, most_in(teacher, request), teacher.max_tokens)
    tokens_out = round(sum(usual(task)[0] * count for task, count in asked.items()))
    seconds = sum(usual(task)[1] * count for task, count in asked.items()) / teacher.at_once
    if teacher.pace.per_minute:
        seconds = max(seconds, asked.total() * 60 / teacher.pace.per_minute)
    return Cost(
        calls=asked.total(),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        dollars=dollars(price, tokens_in, tokens_out),
        seconds=_rounds(asked) * BATCH_SECONDS if bulk else seconds,
        most=most,
        measured=len(own),
    )


def _usual(
    ledger: Sequence[Mapping[str, Any]], guessed_out: float
) -> Callable[[str], tuple[float, float]]:
    """Task -> tokens out and seconds of one call, as in a ledger; a batch's have no time."""

    def usual(task: str) -> tuple[float, float]:
        rows = [row for row in ledger if row.get("task") == task]
        timed = [row["seconds"] for row in rows if "batch" not in row]
        return (
            fmean(row["tokens_out"] for row in rows) if rows else guessed_out,
            fmean(timed) if timed else GUESSED_SECONDS,
        )

    return usual


def _rounds(tasks: Iterable[str]) -> int:
    """How many batches must come one after another: "haiku.critique" waits for "haiku"."""
    about = Counter(task.partition(".")[0] for task in tasks)
    return max(about.values(), default=0)


def actual(bills: Sequence[Mapping[str, Any]], seconds: float) -> Cost:
    """What calls did cost, from their lines in the ledger."""
    return Cost(
        calls=len(bills),
        tokens_in=sum(bill["tokens_in"] for bill in bills),
        tokens_out=sum(bill["tokens_out"] for bill in bills),
        dollars=sum(bill["dollars"] for bill in bills),
        seconds=seconds,
    )
