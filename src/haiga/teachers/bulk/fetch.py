"""A batch is handed in, waited for, and fetched, whatever the line does in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, TypeVar

from haiga.errors import BusyError, TeacherError
from haiga.teachers.bulk.base import Desk, Result, State
from haiga.teachers.bulk.slips import Slip
from haiga.teachers.retry import LONGEST, RETRIES

T = TypeVar("T")
FIRST: Final = 10.0
"""Seconds until a batch is asked after; each time half as many again, up to `LONGEST`."""
HOURS: Final = 26.0
"""A batch ends within 24. One that has not is left to the next session."""
_SLACK: Final = 3600.0
"""Seconds by which two clocks may differ."""


def hand_in(desk: Desk, slip: Slip, lines: Sequence[bytes], known: set[str]) -> str:
    """The provider's id of a batch that is sent.

    Where the line breaks, nobody knows whether the batch has arrived. So it is looked for before
    it is sent again: a batch that is sent twice is paid twice.

    Args:
        desk: where it is sent to.
        slip: what is sent.
        lines: the same, as JSON.
        known: ids of other batches.

    Raises:
        TeacherError: it could not be sent.
    """

    for retry in range(RETRIES + 1):
        if retry and (found := find(desk, slip, known)) is not None:
            return found
        try:
            return desk.send(slip.name, lines)
        except BusyError as error:
            _pause(error, retry)
    raise AssertionError("unreachable")


def find(desk: Desk, slip: Slip, known: set[str]) -> str | None:
    """The provider's id of the batch of a slip that has none, or None: it never arrived.

    It is told by its questions, which only answers name, so that it is waited for.

    Raises:
        TeacherError: batches could not be looked through.
    """
    since = slip.began - _SLACK
    ids = _patiently(lambda: desk.candidates(slip.name, len(slip.questions), since))
    for batch in (each for each in ids if each not in known):
        _wait(desk, batch, slip.began)
        first = _patiently(partial(_first, desk, batch))
        if first is not None and first.id in slip.questions:
            return batch
    return None


def fetch(desk: Desk, slip: Slip) -> Iterator[Result]:
    """What became of each question of a batch, once it has ended; each once, and each of them.

    Raises:
        TeacherError: it did not end, or its results could not be read; what was yielded is true.
    """
    left = set(slip.questions)
    state = _wait(desk, slip.batch, slip.began)
    for retry in range(0 if state.fault else RETRIES + 1):
        try:
            for result in desk.results(slip.batch):
                if result.id in left:
                    left.remove(result.id)
                    yield result
            break
        except BusyError as error:
            _pause(error, retry)
    fault = state.fault or f"has no answer in its batch, {slip.batch}"
    yield from (Result(id_, None, fault, state.full, state.full) for id_ in sorted(left))


def _first(desk: Desk, batch: str) -> Result | None:
    return next(desk.results(batch), None)


def _wait(desk: Desk, batch: str, began: float) -> State:
    """Where a batch stands when it has ended."""
    pause = FIRST
    while True:
        state = _patiently(partial(desk.state, batch))
        if state.ended:
            return state
        if time.time() - began > HOURS * 3600:
            raise TeacherError(
                f"Batch {batch} has not ended within {HOURS:.0f} hours. It is kept; run the same "
                "command again to look after it."
            )
        _sleep(pause)
        pause = min(1.5 * pause, LONGEST)


def _patiently(attempt: Callable[[], T]) -> T:
    """What `attempt` returns, tried again where the provider was busy."""
    for retry in range(RETRIES + 1):
        try:
            return attempt()
        except BusyError as error:
            _pause(error, retry)
    raise AssertionError("unreachable")


def _pause(error: BusyError, retry: int) -> None:
    """Wait as long as a busy provider says, or ever longer.

    Raises:
        TeacherError: it was tried often enough.
    """
    if retry == RETRIES:
        text = f"{error} It was asked {RETRIES + 1} times. Run the same command again."
        raise TeacherError(text) from error
    _sleep(error.wait if error.wait is not None else FIRST * 3**retry)


def _sleep(seconds: float) -> None:
    time.sleep(min(seconds, LONGEST))
