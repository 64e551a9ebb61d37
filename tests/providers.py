"""Providers on loopback: they answer as Anthropic's Messages and OpenAI's chat completions do."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

KEY = "sk-secret-of-nobody-0123456789"


@dataclass
class Reply:
    """One answer as it goes over the wire."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    delay: float = 0.0
    cut: bool = False
    """The connection ends in the middle of the body."""


@dataclass
class Provider:
    """What was asked, and where; `script` makes the reply to the n-th question."""

    script: Callable[[int, dict[str, Any]], Reply]
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    billed: int = 0
    """Replies that were answers."""
    together: int = 0
    """The most questions that were in flight at one time."""


def claude(text: str, stop: str = "end_turn", tokens: tuple[int, int] = (1100, 40)) -> Reply:
    """An answer of Anthropic's."""
    answer = {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5-20261015",
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {
            "input_tokens": tokens[0],
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": tokens[1],
            "service_tier": "standard",
        },
    }
    return Reply(json.dumps(answer, ensure_ascii=False).encode())


def chat(text: str | None, stop: str = "stop", refusal: str | None = None) -> Reply:
    """An answer of OpenAI's."""
    message = {"role": "assistant", "content": text, "refusal": refusal}
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1790000000,
        "model": "gpt-6-luna-2026-09-30",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": stop}],
        "usage": {
            "prompt_tokens": 1000,
            "completion_tokens": 30,
            "total_tokens": 1030,
            "prompt_tokens_details": {"cached_tokens": 200, "cache_write_tokens": 700},
        },
    }
    return Reply(json.dumps(answer).encode())


def fault(status: int, kind: str, message: str, **headers: str) -> Reply:
    """An error of Anthropic's; OpenAI's has the same inside, and a code."""
    error = {"type": kind, "message": message, "code": kind}
    body = {"type": "error", "error": error, "request_id": "req_1"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps(body).encode(), status, {"content-type": "application/json", **named})


def page(status: int) -> Reply:
    """What a proxy says."""
    body = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
    return Reply(body, status, {"content-type": "text/html"})


def shown(data: str) -> Image.Image:
    """A picture out of a question."""
    return Image.open(io.BytesIO(base64.b64decode(data.rpartition(",")[2])))


@contextmanager
def served(*replies: Reply, script: Callable[..., Reply] | None = None) -> Iterator[Provider]:
    """A provider that gives `replies` in turn, the last again and again, or what `script` says."""
    provider = Provider(script or (lambda n, body: replies[min(n, len(replies) - 1)]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(provider))
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()
    inside = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            nonlocal inside
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                inside += 1
                provider.together = max(provider.together, inside)
                number = len(provider.asked)
                provider.asked.append(body)
                provider.headers.append({k.lower(): v for k, v in self.headers.items()})
                provider.paths.append(self.path)
            reply = provider.script(number, body)
            time.sleep(reply.delay)
            with lock:
                inside -= 1
                provider.billed += reply.status == 200
            with suppress(BrokenPipeError, ConnectionResetError):  # whoever asked has left
                self._send(reply)

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
            if reply.cut:
                self.close_connection = True

        def log_message(self, *args: Any) -> None: ...

    return Handler
