"""A page on which a person says which of two texts is better, without knowing whose they are.

It is served on loopback alone, asks for nothing elsewhere, and takes answers from its own page.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, Final, get_args
from urllib.parse import parse_qs, urlsplit

from haiga.errors import HaigaError, StoreError
from haiga.evaluation.rating.labels import Sheet, Side
from haiga.evaluation.rating.rubric import asked_of
from haiga.teachers.views import MEDIA_TYPE, view

HOST: Final = "127.0.0.1"
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
        found = self.pair()
        if found["done"]:
            self.done.set()
        return found


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
    if sheet.first_open == len(sheet.pairs):
        return
    try:
        server = ThreadingHTTPServer((HOST, port), type("Own", (_Handler,), {"page": page}))
    except OSError as error:
        raise StoreError(
            f"Port {port} cannot be listened on: {error}. Give another, --port 0 takes one that is "
            "free."
        ) from error
    # Not daemons: the last answer is to reach the page before this returns.
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        ready(f"http://{HOST}:{server.server_port}/")
        page.done.wait()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    page: _Page
    """Set for each server."""
    timeout = 5  # seconds; browsers open connections that they may never use

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        if not self._is_own():
            self._send(403, b"only this machine is answered", "text/plain")
        elif where.path == "/":
            self._send(200, _html(), "text/html; charset=utf-8")
        elif where.path == "/pair":
            at = parse_qs(where.query).get("at", [""])[0]
            self._answer(lambda: self.page.pair(int(at) if at else None))
        else:
            self._send(404, b"there is no such page", "text/plain")

    def do_POST(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        # A form of another site cannot send JSON, nor can its script without asking first.
        if not self._is_own() or self.headers.get_content_type() != "application/json":
            self._send(403, b"only this page is answered", "text/plain")
        elif self.path != "/label" or not 0 < size <= _LONGEST:
            self._send(400, b"this is no answer", "text/plain")
        else:
            body = self.rfile.read(size)
            self._answer(lambda: self.page.save(json.loads(body)))

    def _is_own(self) -> bool:
        """Whether the request was made of this address, by name, and by its own page."""
        port = self.connection.getsockname()[1]
        own = {f"{name}:{port}" for name in (HOST, "localhost")}
        origin = self.headers.get("origin")
        return self.headers.get("host") in own and (
            origin is None or urlsplit(origin).netloc in own
        )

    def _answer(self, made: Callable[[], dict[str, Any]]) -> None:
        try:
            body = json.dumps(made(), ensure_ascii=False).encode()
        except (ValueError, HaigaError) as error:
            self._send(400, str(error).encode(), "text/plain; charset=utf-8")
        else:
            self._send(200, body, "application/json; charset=utf-8")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None: ...


def _html() -> bytes:
    return (files("haiga.serving") / "label.html").read_bytes()
