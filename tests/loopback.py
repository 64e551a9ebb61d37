"""A real HTTP server on this machine that answers as a test says."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic


class Served:
    """Routes of a running server, and what was asked of it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.routes: dict[str, Callable[[BaseHTTPRequestHandler, int], None]] = {}
        self.asked: list[tuple[str, float]] = []
        self.agents: set[str] = set()
        self._times: Counter[str] = Counter()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path
        self.asked.append((path, monotonic()))
        self.agents.add(handler.headers["User-Agent"])
        self._times[path] += 1
        route = self.routes.get(path.split("?")[0], lambda h, n: send(h, b"gone", 404))
        route(handler, self._times[path])

    def count(self, path: str) -> int:
        return self._times[path]


def send(handler, body: bytes, status: int = 200, kind: str = "image/jpeg", **headers) -> None:
    """A whole answer; header names have _ for -."""
    handler.send_response(status)
    headers = {"Content_Type": kind, "Content_Length": str(len(body)), **headers}
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def serving() -> Iterator[Served]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            served.handle(self)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Served(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
