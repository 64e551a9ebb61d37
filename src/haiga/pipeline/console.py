"""The console as a sink: a bar with the time left on a terminal, a few plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import Final, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from haiga.errors import HaigaError
from haiga.events import Event, Sink


def console(stream: TextIO | None = None) -> Sink:
    """A sink for people, on stderr by default, so that what a command answers can be piped."""
    stream = stream or sys.stderr
    return _bars(stream) if stream.isatty() else _lines(stream)


def sentence(event: Event) -> str | None:
    """What an event says to a person; None where it says nothing worth a line."""
    match event["kind"]:
        case "started":
            again = f", going on after step {event['resumed_from']}" * bool(event["resumed_from"])
            return (
                f"training {event['trainable']:,} of {event['total']:,} parameters, "
                f"{event['settings']['steps']} steps of {event['effective_batch']} groups, "
                f"{event['dtype']} on {event['device']}{again}"
            )
        case "validation":
            return (
                f"step {event['step']}: validation loss {event['loss']:.4f}, "
                f"training {event['train_loss']:.4f}"
            )
        case "look":
            return f"step {event['step']}: {look(event)}"
        case "stopped" | "kept":
            return str(event["text"])
        case "shared_prefix":
            return f"shared prefix against plain passes: {event['max_difference']:.1e} in log-prob"
        case "answers":
            return f"{event['count']} answers under the condition {event['condition']}"
        case "warning":
            return f"warning: {event['text']}"
        case "note":
            return str(event["text"])
        case "finished":
            return f"{event['step']} steps in {time_left(event['seconds'])}"
        case "memory":
            return f"at most {event['peak_bytes'] / 1e9:.1f} GB on the accelerator"
    return None


def look(event: Event) -> str:
    """What the model writes now, in a line: shares in per cent, log-probabilities in nats."""
    shares = {"read": "parsed", "in form": "form", "named truly": "named", "distinct": "distinct"}
    said = [f"{event[of]:.0%} {name}" for name, of in shares.items() if of in event]
    said.append(f"{event['words']:.1f} words")
    if "desirable" in event:
        said.append(f"desirable {event['desirable']:.1f}")
    if "kl" in event:
        said.append(f"{round(event['kl'], 1) + 0.0:.1f} from the start")  # never -0.0
    return "writes " + ", ".join(said)


def excuse(error: Exception) -> str | None:
    """What an error says to a person; None where the mistake is ours, and its traceback is needed.

    "" where all has been said: `haiga` alone has printed its help.
    """
    if isinstance(error, HaigaError):
        return str(error)
    if hasattr(error, "format_message"):  # click's own: a wrong option
        return str(error.format_message())
    if isinstance(error, OSError):
        what = error.filename or "A file"
        return f"{what} cannot be used: {error.strerror or error}. Mend it and run it again."
    # Torch's own, for a GPU and for a CPU.
    full = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    if full or isinstance(error, MemoryError):
        return (
            "The memory is full. Make the stage's micro_batch or evaluate.batch smaller, and run "
            "the same command again."
        )
    return None


def time_left(seconds: float) -> str:
    """Hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))


def _where(event: Event, text: str) -> str:
    return f"{event['stage']}: {text}" if event.get("stage") else text


EVERY: Final = 300.0
"""Seconds between two lines on one stage where nobody watches a bar."""


def _lines(stream: TextIO) -> Sink:
    said: dict[str, float] = {}

    def sink(event: Event) -> None:
        text, now = sentence(event), time.monotonic()
        if event["kind"] == "progress" and now - said.get(event["stage"], -EVERY) >= EVERY:
            text = "working" if event["stage"] not in said else _so_far(event)
            said[event["stage"]] = now
        if text:
            print(_where(event, text), file=stream, flush=True)

    return sink


def _so_far(event: Event) -> str:
    of = f" of {event['total']:,}" if event.get("total") else ""
    return f"{event['done']:,}{of}"


def _bars(stream: TextIO) -> Sink:
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}{task.fields[of]}"),
        TextColumn("{task.fields[left]}"),
        console=Console(file=stream),
        transient=True,
    )
    tasks: dict[str, tuple[TaskID, float, int]] = {}

    def sink(event: Event) -> None:
        name = str(event.get("stage", ""))
        if event["kind"] in ("progress", "started", "step"):
            if name not in tasks:
                task = bars.add_task(name, of="", left="", total=None)
                tasks[name] = (task, time.monotonic(), event.get("done", 0))
                bars.start()
            _advance(bars, *tasks[name], event)
        text = sentence(event)
        if text:
            bars.console.print(_where(event, text), markup=False, highlight=False)
        done = event["kind"] == "finished" or (
            event["kind"] == "progress" and event.get("total") == event["done"]
        )
        if done and name in tasks:
            bars.remove_task(tasks.pop(name)[0])
            if not tasks:
                bars.stop()

    return sink


def _advance(bars: Progress, task: TaskID, since: float, first: int, event: Event) -> None:
    """Move a bar; the time left goes by what was done `since` the `first` that was told."""
    if event["kind"] == "started":
        bars.update(task, total=event["settings"]["steps"], completed=event["resumed_from"])
    elif event["kind"] == "step":
        loss = f"loss {event['loss']:.3f}, {time_left(event['eta_seconds'])} left"
        bars.update(task, completed=event["step"], left=loss)
    else:
        done, total = event["done"], event.get("total")
        pace = (time.monotonic() - since) / (done - first) if done > first else None
        left = f"{time_left(pace * (total - done))} left" if total and pace is not None else ""
        bars.update(
            task, completed=done, total=total, of=f" of {total}" if total else "", left=left
        )
