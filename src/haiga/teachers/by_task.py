"""Several teachers as one: some tasks have a teacher of their own."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from haiga.teachers.client import Request, Response, Teacher


class ByTask:
    """The teacher of a task where it has one, else the first; none is asked more than it takes."""

    def __init__(self, first: Teacher, others: Mapping[str, Teacher]) -> None:
        self.first, self.others = first, dict(others)
        self._free = {
            id(each): threading.Semaphore(each.at_once) for each in (first, *others.values())
        }

    @property
    def name(self) -> str:
        return self.first.name

    @property
    def at_once(self) -> int:
        return sum(each.at_once for each in (self.first, *self.others.values()))

    def ask(self, request: Request) -> Response:
        teacher = self.of(request.task)
        with self._free[id(teacher)]:
            return teacher.ask(request)

    def of(self, task: str) -> Teacher:
        """Whoever writes a task, and talks about its texts: "haiku.critique" is about "haiku"."""
        return self.others.get(task.partition(".")[0], self.first)


def author(teacher: Teacher, task: str) -> str:
    """The name of whoever writes a task."""
    return teacher.of(task).name if isinstance(teacher, ByTask) else teacher.name
