"""Providers' batch desks on loopback: Anthropic's Message Batches, and OpenAI's files and batches.

Questions are answered by the same scripts as direct ones (see `providers`), when a batch ends.
"""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from providers import Reply

EXPIRED = Reply(b"", 0)
"""As the answer of a script: the question was not reached within a day."""
CANCELED = Reply(b"", 1)
PAGE = 2
"""Batches on a page of OpenAI's list."""


@dataclass
class Batch:
    """A batch at a provider."""

    id: str
    asked: list[dict[str, Any]]
    metadata: dict[str, str] = field(default_factory=dict)
    polls: int = 0
    replies: list[tuple[str, Reply]] = field(default_factory=list)
    """(custom id, reply), once it has ended; in another order than asked."""
    refused: str = ""
    """Why it fails its validation."""


@dataclass
class Desk:
    """What was handed in, and how the desk behaves."""

    script: Callable[[int, dict[str, Any]], Reply]
    polls: int = 1
    """How often a batch is asked after before it has ended."""
    loses: int = -1
    """The n-th batch is taken, and the line breaks before that is said."""
    busy: int = -1
    """The n-th attempt to hand in is answered with 529."""
    cuts: int = 0
    """How many times a file of results breaks off in its middle."""
    refused: str = ""
    """OpenAI's: why every batch fails its validation."""
    room: int = 1000
    """OpenAI's: batches under way beside which another fails its validation."""
    taken: Callable[[int], None] = lambda number: None
    """Called when the n-th batch is taken and nothing has been said yet."""
    url: str = ""
    batches: dict[str, Batch] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    handed: int = 0
    answered: int = 0
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    """Method, path, headers and body of all that came."""
    lock: Any = field(default_factory=threading.RLock)

    def add(self, asked: list[dict[str, Any]], metadata: dict[str, str]) -> Batch:
        ids = [each["custom_id"] for each in asked]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id_) for id_ in ids)
        batch = Batch(f"batch_{len(self.batches):03d}", asked, metadata)
        under_way = sum(not each.replies and not each.refused for each in self.batches.values())
        batch.refused = self.refused or ("too much is enqueued" if under_way >= self.room else "")
        self.batches[batch.id] = batch
        return batch

    def poll(self, id_: str) -> Batch:
        """A batch, which ends after so many polls."""
        batch = self.batches[id_]
        batch.polls += 1
        if batch.polls > self.polls and not batch.replies and not batch.refused:
            for each in batch.asked:
                body = each.get("params") or each["body"]
                batch.replies.append((each["custom_id"], self.script(self.answered, body)))
                self.answered += 1
            random.Random(0).shuffle(batch.replies)
        return batch


def message_batch(desk: Desk, batch: Batch) -> dict[str, Any]:
    """As Anthropic has it."""
    kinds = [_kind(reply) for _, reply in batch.replies]
    ended = bool(kinds)
    names = ("succeeded", "errored", "canceled", "expired")
    counts = {name: kinds.count(name) for name in names}
    url = f"{desk.url}/v1/messages/batches/{batch.id}/results"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if ended else "in_progress",
        "request_counts": {"processing": 0 if ended else len(batch.asked), **counts},
        "created_at": "2099-01-01T00:00:00Z",
        "expires_at": "2099-01-02T00:00:00Z",
        "ended_at": "2099-01-01T01:00:00Z" if ended else None,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": url if ended else None,
    }


def _kind(reply: Reply) -> str:
    names = {200: "succeeded", 0: "expired", 1: "canceled"}
    return names.get(reply.status, "errored")


def message_result(id_: str, reply: Reply) -> dict[str, Any]:
    """A line of Anthropic's results."""
    kind = _kind(reply)
    result: dict[str, Any] = {"type": kind}
    if kind == "succeeded":
        result["message"] = json.loads(reply.body)
    if kind == "errored":
        result["error"] = json.loads(reply.body)
        del result["error"]["error"]["code"]
    return {"custom_id": id_, "result": result}


def openai_batch(desk: Desk, batch: Batch) -> dict[str, Any]:
    """As OpenAI has it; its files are written when it ends."""
    good = [each for each in batch.replies if each[1].status == 200]
    bad = [each for each in batch.replies if each[1].status != 200]
    for name, replies in ((f"out_{batch.id}", good), (f"err_{batch.id}", bad)):
        lines = (json.dumps(openai_result(*each)) for each in replies)
        desk.files[name] = "\n".join(lines).encode()
    status = "completed" if batch.replies else "in_progress"
    error = {"code": "token_limit_exceeded", "message": batch.refused, "line": None, "param": None}
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "errors": {"object": "list", "data": [error]} if batch.refused else None,
        "input_file_id": "file_in",
        "completion_window": "24h",
        "status": "failed" if batch.refused else status,
        "output_file_id": f"out_{batch.id}" if good else None,
        "error_file_id": f"err_{batch.id}" if bad else None,
        "created_at": 4070908800,
        "request_counts": {"total": len(batch.asked), "completed": len(good), "failed": len(bad)},
        "metadata": batch.metadata,
    }


def openai_result(id_: str, reply: Reply) -> dict[str, Any]:
    """A line of OpenAI's output or error file."""
    line: dict[str, Any] = {"id": f"batch_req_{id_[:6]}", "custom_id": id_}
    if reply.status in (0, 1):
        said = "This request could not be executed before the completion window expired."
        return {**line, "response": None, "error": {"code": "batch_expired", "message": said}}
    answer = {"status_code": reply.status, "request_id": "req_1", "body": json.loads(reply.body)}
    return {**line, "response": answer, "error": None}


@contextmanager
def open_desk(script: Callable[[int, dict[str, Any]], Reply], **behaviour: Any) -> Iterator[Desk]:
    desk = Desk(script, **behaviour)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(desk))
    server.daemon_threads = True
    desk.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield desk
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(desk: Desk) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with desk.lock:
                self._note(b"")
                self._get(self.path.split("?")[0])

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with desk.lock:
                self._note(body)
                self._post(self.path, body)

        def _note(self, body: bytes) -> None:
            headers = {k.lower(): v for k, v in self.headers.items()}
            desk.requests.append((self.command, self.path, headers, body))

        def _get(self, path: str) -> None:
            *_, last = path.split("/")
            if path == "/v1/messages/batches":
                made = [message_batch(desk, each) for each in reversed(desk.batches.values())]
                self._json({"data": made, "has_more": False, "first_id": None, "last_id": None})
            elif path == "/v1/batches":
                made = [openai_batch(desk, each) for each in reversed(desk.batches.values())]
                after = re.search("after=(\\w+)", self.path)
                first = [each["id"] for each in made].index(after[1]) + 1 if after else 0
                shown = made[first : first + PAGE]
                more = first + PAGE < len(made)
                self._json({"object": "list", "data": shown, "has_more": more})
            elif last == "results":
                replies = desk.batches[path.split("/")[-2]].replies
                self._lines([json.dumps(message_result(*each)) for each in replies])
            elif last == "content":
                self._lines(desk.files[path.split("/")[-2]].decode().splitlines())
            elif path.startswith("/v1/messages/batches/"):
                self._json(message_batch(desk, desk.poll(last)))
            else:
                self._json(openai_batch(desk, desk.poll(last)))

        def _post(self, path: str, body: bytes) -> None:
            if path == "/v1/files":
                self._json(self._uploaded(body))
                return
            asked = json.loads(body)
            number, desk.handed = desk.handed, desk.handed + 1
            if number == desk.busy:
                error = {"type": "overloaded_error", "message": "Overloaded"}
                self._json({"type": "error", "error": error}, 529)
                return
            if path == "/v1/messages/batches":
                made = message_batch(desk, desk.add(asked["requests"], {}))
            else:
                lines = desk.files[asked["input_file_id"]].decode().splitlines()
                batch = desk.add([json.loads(line) for line in lines], asked["metadata"])
                made = openai_batch(desk, batch)
            desk.taken(number)
            if number == desk.loses:
                self.close_connection = True  # without a word
                return
            self._json(made)

        def _uploaded(self, body: bytes) -> dict[str, Any]:
            head = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
            parts = BytesParser().parsebytes(head + body).get_payload()
            named = {p.get_param("name", header="content-disposition"): p for p in parts}
            assert named["purpose"].get_payload() == "batch"
            id_ = f"file_{len(desk.files)}"
            desk.files[id_] = named["file"].get_payload(decode=True)
            size = len(desk.files[id_])
            made = {
                "id": id_,
                "object": "file",
                "bytes": size,
                "created_at": 1,
                "status": "processed",
            }
            return {**made, "filename": "questions.jsonl", "purpose": "batch"}

        def _lines(self, lines: list[str]) -> None:
            """A file in pieces that end where they like."""
            data = "\n".join(lines).encode()
            cut, desk.cuts = desk.cuts > 0, max(0, desk.cuts - 1)
            self.send_response(200)
            self.send_header("content-type", "application/x-jsonl")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):
                for at in range(0, len(data) // (2 if cut else 1), 700):
                    self.wfile.write(data[at : at + 700])
            self.close_connection = cut or self.close_connection

        def _json(self, value: Any, status: int = 200) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(data)

        def log_message(self, *args: Any) -> None: ...

    return Handler
