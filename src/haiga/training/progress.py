"""The console as a sink: a bar with the time left on a terminal, short lines in a pipe."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from haiga.events import Event, Sink


def console(stream: TextIO | None = None, every: int = 50) -> Sink:
    """A sink for people.

    On a terminal: one bar with loss and time left, warnings and validations above it. In a pipe:
    one line per `every` steps, validation and warning, so that a log file stays readable.
    """
    stream = stream or sys.stderr
    return _bar(stream) if stream.isatty() else _lines(stream, every)


def sentence(event: Event) -> str | None:
    """What an event says to a person; None where it says nothing worth a line."""
    match event["kind"]:
        case "started":
            share = event["trainable"] / event["total"]
            return (
                f"training {event['trainable']:,} of {event['total']:,} parameters ({share:.1%}), "
                f"batches of {event['effective_batch']}, {event['settings']['steps']} steps, "
                f"{event['dtype']} on {event['device']}"
                + (
                    f", going on after step {event['resumed_from']}"
                    if event["resumed_from"]
                    else ""
                )
            )
        case "step":
            return (
                f"step {event['step']}  loss {event['loss']:.4f}  lr {event['lr']:.2e}  "
                f"{time_left(event['eta_seconds'])} left"
            )
        case "validation":
            return (
                f"step {event['step']}  validation {event['loss']:.4f}  "
                f"training {event['train_loss']:.4f}"
            )
        case "warning":
            return f"warning: {event['text']}"
        case "finished":
            return f"finished {event['step']} steps in {time_left(event['seconds'])}"
    return None


def time_left(seconds: float) -> str:
    """Hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))


def _lines(stream: TextIO, every: int) -> Sink:
    def sink(event: Event) -> None:
        if event["kind"] == "step" and event["step"] % every:
            return
        text = sentence(event)
        if text:
            print(text, file=stream, flush=True)

    return sink


def _bar(stream: TextIO) -> Sink:
    bar = Progress(
        TextColumn("loss {task.fields[loss]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]} left"),
        console=Console(file=stream),
    )
    task = bar.add_task("", loss="-", left="-", start=True)

    def sink(event: Event) -> None:
        if event["kind"] == "started":
            bar.update(task, total=event["settings"]["steps"], completed=event["resumed_from"])
            bar.start()
        if event["kind"] == "step":
            left = time_left(event["eta_seconds"])
            bar.update(task, completed=event["step"], loss=f"{event['loss']:.4f}", left=left)
            return
        text = sentence(event)
        if text:
            bar.console.print(text, markup=False, highlight=False)
        if event["kind"] == "finished":
            bar.stop()

    return sink
