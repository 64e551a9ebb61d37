"""A teacher that is asked again when it was busy."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from haiga.errors import BusyError, TeacherError
from haiga.teachers.client import Remote, Request, Response

RETRIES: Final = 3
LONGEST: Final = 300.0
"""Seconds that are waited; whoever asks for more is not asked again."""


def retried(
    teacher: Remote,
    *,
    sleep: Callable[[float], None] = time.sleep,
    draw: Callable[[], float] = random.random,
) -> Remote:
    """`teacher`, asked up to `RETRIES` times more when it was busy, and never for anything else.

    It waits as long as the server says, and otherwise 1, 2 and 4 seconds, less a drawn share of up
    to a half, so that questions that failed together do not come back together.
    """

    def ask(request: Request) -> Response:
        for retry in range(RETRIES + 1):
            try:
                return teacher.ask(request)
            except BusyError as error:
                wait = error.wait if error.wait is not None else 2**retry * (1 - draw() / 2)
                if retry == RETRIES:
                    raise TeacherError(f"{error} It was asked {RETRIES + 1} times.") from error
                if wait > LONGEST:
                    raise TeacherError(f"{error} It asks for a wait of {wait:.0f} s.") from error
                sleep(wait)
        raise AssertionError("unreachable")

    return replace(teacher, ask=ask)
