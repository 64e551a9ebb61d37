"""`emit(event)`: what happened, once, for every reader: a JSON line, the console, a tracker.

A sink is a callable that takes one event (a dict with a "kind").
The loop knows no other way to speak.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

Event: TypeAlias = Mapping[str, Any]
Sink: TypeAlias = Callable[[Event], None]


def to_jsonl(path: Path) -> Sink:
    """A sink that appends each event to `path` as one JSON line, flushed at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    end_line(path)

    def sink(event: Event) -> None:
        line = json.dumps(event, ensure_ascii=False, sort_keys=False, default=float)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return sink


def end_line(path: Path) -> None:
    """End a last line that was cut off by kill -9 before more is written behind it, so that only
    that one is unreadable; `read` skips it."""
    if path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n"):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")


def read(path: Path) -> list[dict[str, Any]]:
    """The events of a JSON-lines file, oldest first; a line that was cut off is passed over."""
    if not path.exists():
        return []
    events = []
    # Not splitlines: a text may hold U+2028, which JSON does not escape.
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return events


def truncate(path: Path, keep: Callable[[Event], bool]) -> None:
    """Rewrite a JSON-lines file with the events that `keep` accepts, in one atomic step.

    A run that resumes from step s drops what it had written after s, and writes it again.
    """
    if not path.exists():
        return
    kept = [json.dumps(event, ensure_ascii=False) + "\n" for event in read(path) if keep(event)]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(kept), encoding="utf-8")
    temporary.replace(path)


def fan_out(*sinks: Sink) -> Sink:
    """One sink that hands every event to all of `sinks`, in order."""

    def sink(event: Event) -> None:
        for each in sinks:
            each(event)

    return sink
