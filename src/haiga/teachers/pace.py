"""A teacher that is not asked more often than so many times a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from haiga.teachers.client import Remote, Request, Response


def paced(
    teacher: Remote,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Remote:
    """`teacher`, its questions begun evenly apart, as its pace says; each retry is a question."""
    if teacher.pace.per_minute is None:
        return teacher
    interval = 60 / teacher.pace.per_minute
    lock = threading.Lock()
    free = clock()

    def ask(request: Request) -> Response:
        nonlocal free
        with lock:
            now = clock()
            start = max(now, free)
            free = start + interval
        if start > now:
            sleep(start - now)
        return teacher.ask(request)

    return replace(teacher, ask=ask)
