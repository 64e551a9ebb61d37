"""Pictures measured in a process of its own, so that one that ends it costs itself alone."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from haiga.curation.engines.shards import Tried
from haiga.curation.engines.worker import RAISED, REFUSED
from haiga.errors import HaigaError, StoreError

TRIES: Final = 2
"""A picture that ended its process, or did not end, begins another: the fault may have been that of
a picture before it, or of the machine."""
_START: Final = 300.0
"""Seconds that a process may take to import what it needs; over a slow network it takes many."""


class LostError(Exception):
    """The process is gone or was ended; says why, as the second half of a sentence."""


class Supervised:
    """One process that measures pictures of a folder, begun anew whenever it is lost.

    It is used by one thread at a time; another may `stop` it.

    Args:
        measure: the function, as "module:name".
        pictures: the folder that holds pictures/.
        seconds: how long one picture may take.
    """

    def __init__(self, measure: str, pictures: Path, seconds: float) -> None:
        self._first = (sys.path, measure, str(pictures), seconds)
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def __call__(self, ids: Sequence[str]) -> Generator[Tried, None, None]:
        """What came of each picture, in their order.

        Raises:
            StoreError: there is no such picture.
        """
        at = tries = 0
        try:
            while at < len(ids):
                try:
                    for said, what in self._ask(ids[at:]):
                        if said == REFUSED:
                            raise StoreError(what)
                        yield Tried({"error": what}, raised=True) if said == RAISED else Tried(what)
                        at, tries = at + 1, 0
                except LostError as why:
                    self.end()
                    tries += 1
                    if tries == TRIES:
                        yield Tried({"error": f"Measuring it {why}."}, lost=True)
                        at, tries = at + 1, 0
        finally:
            if at < len(ids):  # it is still at what nobody asks for any more
                self.end()

    def stop(self) -> None:
        """End the process at once and begin no other; whoever waits for it gets a HaigaError."""
        self._stopped = True
        if process := self._process:
            process.kill()

    def _ask(self, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        if self._process is None:
            self._begin()
        with suppress(OSError):  # it is gone; that there is nothing to read from it will tell
            self._questions.send(list(ids))
        for _ in ids:
            yield self._answer(self._seconds)

    def _begin(self) -> None:
        if self._stopped:
            raise HaigaError("Measuring was stopped.")
        command = [sys.executable, "-P", "-c", f"from {__package__} import worker; worker.main()"]
        source = str(Path(__file__).parents[3])  # haiga itself may stand on the parent's path alone
        paths = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
        env = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        (read, questions), (answers, write) = os.pipe(), os.pipe()
        self._questions = Connection(questions, readable=False)
        self._answers = Connection(answers, writable=False)
        self._said = select.poll()  # Connection.poll makes a selector for every picture
        self._said.register(answers, select.POLLIN)
        try:
            self._process = subprocess.Popen(command, stdin=read, stdout=write, env=env)
            os.close(read)
            os.close(write)
            if self._stopped:
                self._process.kill()
            self._questions.send(self._first)
            self._answer(_START)
        except (LostError, OSError) as error:
            self.end()
            raise HaigaError(
                f"A process that measures pictures ended before it began: {error}. What it said "
                "stands above, or in the log of its machine. Where memory is short, use fewer."
            ) from error

    def _answer(self, seconds: float) -> Any:
        try:
            if self._said.poll(1000 * seconds):
                return self._answers.recv()
        except (EOFError, OSError):
            assert self._process
            raise LostError(f"ended its process ({_how(self._process.wait())})") from None
        raise LostError(f"took more than {seconds:g} s")

    def end(self) -> None:
        """End the process; the next pictures begin another."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        self._questions.close()
        self._answers.close()


def _how(code: int) -> str:
    """A process's end in words: "SIGSEGV", "exit code 3"."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
