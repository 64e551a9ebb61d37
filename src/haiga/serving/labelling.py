"""A page on which a person says which of two texts is better, without knowing whose they are.

It is served on loopback alone, asks for nothing elsewhere, and takes answers from its own page.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from haiga.evaluation.rating.labels import Sheet, Side
from haiga.evaluation.rating.rubric import asked_of
from haiga.serving.loopback import Local, listening
from haiga.teachers.views import MEDIA_TYPE, view

SIDE: Final = 1024
"""Pixels of a picture's longer side on the page."""
_LONGEST: Final = 4096
"""Bytes of an answer from the page."""


@dataclass(frozen=True)
class _Page:
    """What the server serves, one request at a time."""

    sheet: Sheet
    pictures: Mapping[str, bytes]
    lock: threading.Lock
    done: threading.Event

    def pair(self, at: int | None = None) -> dict[str, Any]:
        """The pair at a place, or the first that is open; nothing in it tells whose a text is."""
        with self.lock:
            place = self.sheet.first_open if at is None else at
            count = {"labelled": self.sheet.labelled, "of": len(self.sheet.pairs)}
            if not 0 <= place < len(self.sheet.pairs):
                return {**count, "done": True}
            pair = self.sheet.pairs[place]
        item = pair.duel.item
        shown = view(self.pictures[item.pictures[0].id], SIDE)
        return {
            **count,
            "done": False,
            "at": place,
            "picture": f"data:{MEDIA_TYPE};base64,{shown}",
            "asked": asked_of(item),
            "language": item.language,
            **dict(zip(("left", "right"), pair.texts, strict=True)),
        }

    def save(self, said: Any) -> dict[str, Any]:
        """Keep an answer; returns the next pair.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(said, dict) or said.get("side") not in get_args(Side):
            raise ValueError('an answer has a side: "left", "right" or "equal"')
        at, seconds = said.get("at"), said.get("seconds", 0)
        if type(at) is not int or not 0 <= at < len(self.sheet.pairs):
            raise ValueError("an answer says at which pair")
        if not isinstance(seconds, (int, float)):
            raise ValueError("seconds are a number")
        with self.lock:
            self.sheet.save(at, said["side"], float(seconds))
        return self.pair()

    @property
    def is_complete(self) -> bool:
        """Whether all pairs are labelled."""
        with self.lock:
            return self.sheet.first_open == len(self.sheet.pairs)


def serve(
    sheet: Sheet,
    pictures: Mapping[str, bytes],
    *,
    port: int = 0,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve a sheet until all of it is labelled, or until Ctrl-C.

    Args:
        sheet: keeps what is said.
        pictures: the bytes of each picture.
        port: 0 takes one that is free.
        ready: told the address once it answers.

    Raises:
        StoreError: the port is taken.
    """
    page = _Page(sheet, pictures, threading.Lock(), threading.Event())
    if page.is_complete:
        return
    with listening(type("Own", (_Handler,), {"labels": page}), port) as address:
        ready(address)
        page.done.wait()


class _Handler(Local):
    labels: _Page
    """Set for each server."""

    def get(self, path: str, asked: dict[str, str]) -> None:
        if path == "/":
            self.page("label.html")
        elif path == "/pair":
            at = asked.get("at")
            self.reply(lambda: self.labels.pair(int(at) if at else None))
        else:
            self.refuse(404, "There is no such page.")

    def post(self, path: str, asked: dict[str, str]) -> None:
        # A form of another site cannot send JSON, nor can its script without asking first.
        if self.headers.get_content_type() != "application/json":
            self.refuse(403, "Only this page is answered.")
        elif path != "/label" or not 0 < self.size <= _LONGEST:
            self.refuse(400, "This is no answer.")
        else:
            body = self.rfile.read(self.size)
            try:
                self.reply(lambda: self.labels.save(json.loads(body)))
            finally:
                # Not before the page has its answer: with the last one, what serves it ends.
                if self.labels.is_complete:
                    self.labels.done.set()
