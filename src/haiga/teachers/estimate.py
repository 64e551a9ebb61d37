"""What questions will cost, before one is asked: as counted, and as measured on calls before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

from haiga.teachers.client import Remote, Request
from haiga.teachers.meter import likely_in, most_in
from haiga.teachers.prices import Price, dollars

GUESSED_OUT: Final = 150
GUESSED_SECONDS: Final = 5.0
"""Of a call, until some were measured."""


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
    take as long, as those of the same task and model in `ledger`.
    """
    seen: dict[str, list[Mapping[str, Any]]] = {}
    for row in ledger:
        if row.get("model") == teacher.model:
            seen.setdefault(str(row.get("task")), []).append(row)
    usual = {
        task: (fmean(r["tokens_out"] for r in rows), fmean(r["seconds"] for r in rows))
        for task, rows in seen.items()
    }
    guess = (float(min(GUESSED_OUT, teacher.max_tokens)), GUESSED_SECONDS)
    calls, tokens_in, tokens_out, seconds, most = 0, 0, 0.0, 0.0, 0.0
    for request in requests:
        if is_kept(request):
            continue
        calls += 1
        tokens_in += likely_in(teacher, request)
        most += dollars(price, most_in(teacher, request), teacher.max_tokens)
        tokens_out += usual.get(request.task, guess)[0]
        seconds += usual.get(request.task, guess)[1]
    slowest = calls * 60 / teacher.pace.per_minute if teacher.pace.per_minute else 0.0
    return Cost(
        calls=calls,
        tokens_in=tokens_in,
        tokens_out=round(tokens_out),
        dollars=dollars(price, tokens_in, round(tokens_out)),
        seconds=max(seconds / teacher.at_once, slowest),
        most=most,
        measured=sum(map(len, seen.values())),
    )


def actual(bills: Sequence[Mapping[str, Any]], seconds: float) -> Cost:
    """What calls did cost, from their lines in the ledger."""
    return Cost(
        calls=len(bills),
        tokens_in=sum(bill["tokens_in"] for bill in bills),
        tokens_out=sum(bill["tokens_out"] for bill in bills),
        dollars=sum(bill["dollars"] for bill in bills),
        seconds=seconds,
    )
