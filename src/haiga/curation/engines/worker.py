"""The process in which pictures are decoded; `supervised` begins it.

A decoder is C that reads bytes from anywhere; it may crash or never end, and then takes its process
with it. This process holds nothing that could be lost. Over its pipes comes first what to measure
with, then lists of ids, for each of which one answer goes back.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from haiga.errors import StoreError
from haiga.store import PictureFiles

MEASURED, RAISED, REFUSED = "measured", "raised", "refused"
"""What an answer says: values, why there are none, or why there is no going on."""


def main() -> None:
    """Answer until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other side's to answer
    answers = Connection(os.dup(1), readable=False)
    os.dup2(2, 1)  # a decoder that prints must not speak in between
    questions = Connection(0, writable=False)
    try:
        _serve(questions, answers)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _serve(questions: Connection, answers: Connection) -> None:
    path, measure, folder, seconds = questions.recv()
    sys.path[:] = path
    module, _, name = measure.partition(":")
    function = getattr(import_module(module), name)
    files = PictureFiles(Path(folder))
    answers.send(MEASURED)
    while True:
        for id_ in questions.recv():
            _limit(seconds)
            answers.send(attempt(function, files, id_))
            _limit(0)


def _limit(seconds: float) -> None:
    """End this process in a while, also if nobody is left to end it; 0 takes that back."""
    if hasattr(signal, "alarm"):
        signal.alarm(int(2 * seconds + 1) if seconds else 0)


def attempt(function: Any, files: PictureFiles, id: str) -> tuple[str, Any]:
    """One of the three words above, and the values of a picture or a sentence about it."""
    try:
        data = files[id]
    except StoreError as error:
        return REFUSED, str(error)
    try:
        return MEASURED, function(data)
    except Exception as error:  # one strange picture must not cost the others
        return RAISED, f"Measuring failed with {type(error).__name__}: {error}."
