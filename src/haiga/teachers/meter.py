"""A teacher whose calls are paid for: billed before they are read, and not begun without money."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias
from uuid import uuid4

from haiga.errors import BudgetError
from haiga.teachers.client import Remote, Request, Response
from haiga.teachers.prices import Price, dollars, dollars_at_most

Spend: TypeAlias = Callable[[Mapping[str, Any]], None]
OVERHEAD: Final = 100
"""Tokens of a question that are neither its pictures nor its words: roles, schemas' own words."""


def metered(
    teacher: Remote,
    price: Price | None,
    spend: Spend,
    spent: float,
    *,
    asked: Spend = lambda line: None,
) -> Remote:
    """`teacher`, its calls in the ledger and within its budget.

    Args:
        teacher: asked, once it is certain that its answer can be paid.
        price: None where nothing is paid.
        spend: told of every call that was answered, whatever the answer is worth.
        spent: what it has cost before.
        asked: told before every call what it may cost, and that it is over; so that a session
            that is killed leaves behind which calls were in flight.

    The teacher that comes back raises BudgetError where a call could pass the budget; it is then
    not made.
    """
    purse = Purse(teacher.max_dollars, spent)

    def ask(request: Request) -> Response:
        most = dollars_at_most(price, most_in(teacher, request), teacher.max_tokens)
        purse.take(most)
        paid, call = 0.0, uuid4().hex
        asked({"call": call, "model": teacher.model, "most": most})
        try:
            since = time.monotonic()
            response = teacher.ask(request)
            seconds = time.monotonic() - since
            response = paid_for(response, price, most)
            paid = response.dollars
            spend(bill(teacher.model, response, seconds, request.row, request.task))
        finally:
            purse.settle(most, paid)
            asked({"call": call})
        return response

    return replace(teacher, ask=ask)


class Purse:
    """What may be spent, shared by the calls of all threads."""

    def __init__(self, limit: float | None, spent: float) -> None:
        self._limit, self._spent = limit, spent
        self._held = 0.0
        self._calls = 0
        self._settled = threading.Condition()

    def take(self, most: float) -> None:
        """Hold `most` dollars for a call.

        Calls in flight may turn out cheaper than what is held for them, so they are waited for.

        Raises:
            BudgetError: there is not so much left.
        """
        if self._limit is None:
            return
        with self._settled:
            while self._calls and self._spent + self._held + most > self._limit:
                self._settled.wait()
            if self._spent + self._held + most > self._limit:
                raise BudgetError(
                    f"The next call may cost ${most:.4f}; ${self._spent:.4f} of max_dollars = "
                    f"{self._limit:g} are spent, so it was not made. Raise max_dollars and run "
                    "the same command again; what was paid for is kept."
                )
            self._held += most
            self._calls += 1

    def settle(self, most: float, paid: float) -> None:
        """Give back what was held, less what was paid."""
        if self._limit is None:
            return
        with self._settled:
            self._calls -= 1
            self._held = self._held - most if self._calls else 0.0
            self._spent += paid
            self._settled.notify_all()


def most_in(teacher: Remote, request: Request) -> int:
    """The tokens that a question can be counted as at most: no token is less than a byte."""
    return teacher.tokens_in(request) + _bytes(request) + OVERHEAD


def likely_in(teacher: Remote, request: Request) -> int:
    """About the tokens that a question will be counted as: words are about three bytes a token."""
    return teacher.tokens_in(request) + _bytes(request) // 3 + OVERHEAD // 4


def _bytes(request: Request) -> int:
    schema = json.dumps(request.schema) if request.schema else ""
    return len((request.prompt + request.system + schema).encode("utf-8"))


def paid_for(response: Response, price: Price | None, most: float) -> Response:
    """An answer with its dollars: by its tokens, or at most where they are not told."""
    if not (response.tokens_in or response.tokens_out):
        return replace(response, dollars=most)
    kept = {"cached": response.tokens_cached, "written": response.tokens_written}
    paid = dollars(price, response.tokens_in, response.tokens_out, **kept)
    return replace(response, dollars=paid)


def bill(model: str, response: Response, seconds: float, row: str, task: str) -> dict[str, Any]:
    """A line of the ledger."""
    return {
        "model": model,
        "dollars": response.dollars,
        "tokens_in": response.tokens_in,
        "tokens_out": response.tokens_out,
        "tokens_cached": response.tokens_cached,
        "tokens_written": response.tokens_written,
        "seconds": round(seconds, 3),
        "stop": response.stop,
        "row": row,
        "task": task,
    }
