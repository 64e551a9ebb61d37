"""Who writes what the model shall learn. One file and one line in the table for each provider."""

from __future__ import annotations

from collections.abc import Callable

from haiga.teachers.client import Request, Response, Teacher
from haiga.teachers.poet import poet

TEACHERS: dict[str, Callable[..., Teacher]] = {
    "poet": poet,
}

__all__ = ["TEACHERS", "Request", "Response", "Teacher"]
