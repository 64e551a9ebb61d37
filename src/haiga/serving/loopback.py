"""What the pages of this machine share: served on loopback alone, and to their own pages alone.

Such a page is one file of the package, with everything that it needs in it: it fetches nothing from
elsewhere and works without a network.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from haiga.errors import HaigaError, StoreError

HOST: Final = "127.0.0.1"
TEXT: Final = "text/plain; charset=utf-8"
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""What a browser lets a page do: speak with its own server, and no more."""


@contextmanager
def listening(handler: type[Local], port: int = 0) -> Iterator[str]:
    """Serve on loopback while the block runs; gives the address. Port 0 takes one that is free.

    Raises:
        StoreError: the port is taken.
    """
    try:
        server = ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise StoreError(
            f"Port {port} cannot be listened on: {error}. Give another, --port 0 takes one that is "
            "free."
        ) from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        # Its threads are daemons: browsers open connections that they never use.
        server.server_close()


class Local(BaseHTTPRequestHandler):
    """Answers what this machine's own page asks, and programs of this machine; logs nothing."""

    timeout = 5  # seconds without a byte

    def get(self, path: str, asked: dict[str, str]) -> None:
        """Answer a GET of a path with its query."""
        raise NotImplementedError

    def post(self, path: str, asked: dict[str, str]) -> None:
        """Answer a POST of a path with its query."""
        raise NotImplementedError

    def do_GET(self) -> None:
        self._answer(self.get)

    def do_POST(self) -> None:
        self._answer(self.post)

    @property
    def size(self) -> int:
        """Bytes of the body that come; 0 where the request does not say."""
        said = self.headers.get("content-length") or ""
        return int(said) if said.isascii() and said.isdecimal() else 0

    def page(self, name: str) -> None:
        """Send a page of the package."""
        body = (files("haiga.serving") / name).read_bytes()
        self.send(200, body, "text/html; charset=utf-8")

    def reply(self, made: Callable[[], dict[str, Any]]) -> None:
        """Send what is made as JSON, or the sentence that says why it cannot be made."""
        try:
            body = json.dumps(made(), ensure_ascii=False).encode()
        except (ValueError, HaigaError) as error:
            self.refuse(400, str(error))
        else:
            self.send(200, body, "application/json; charset=utf-8")

    def refuse(self, status: int, sentence: str) -> None:
        """Send a sentence in place of an answer."""
        self.send(status, sentence.encode(), TEXT)

    def send(self, status: int, body: bytes, kind: str) -> None:
        """Send a whole answer, which no browser keeps."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "no-store")
        self.send_header("content-security-policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        # Whoever asked may have closed the page; that is no fault of ours.
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, *args: Any) -> None: ...

    def _answer(self, how: Callable[[str, dict[str, str]], None]) -> None:
        where = urlsplit(self.path)
        query = parse_qs(where.query, keep_blank_values=True)
        if self._is_own():
            how(where.path, {name: said[-1] for name, said in query.items()})
        else:
            self.refuse(403, "Only this machine and its own page are answered.")

    def _is_own(self) -> bool:
        """Whether the request was made of this address, by name, and by its own page."""
        port = self.connection.getsockname()[1]
        own = {f"{name}:{port}" for name in (HOST, "localhost")}
        origin = self.headers.get("origin")
        return self.headers.get("host") in own and (
            origin is None or urlsplit(origin).netloc in own
        )
