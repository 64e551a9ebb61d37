"""OpenAI's batches: a file of questions goes up, a file of answers and one of errors come down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from haiga.teachers.bulk.base import Desk, Result, State, as_line, id_of, read
from haiga.teachers.client import Request, Response
from haiga.teachers.http import Server

_ENDPOINT: Final = "/v1/chat/completions"
_FORM: Final = "OpenAI's batches"
_NAME: Final = "haiga"
"""The key of a batch's metadata that holds our name for it."""
_LISTED: Final = 100
_ENDED: Final = ("completed", "expired", "failed", "cancelled")
_AGAIN: Final = (408, 409, 429)
_FULL: Final = "token_limit_exceeded"
"""The code of a batch that was refused because too many tokens are under way."""


def desk(
    server: Server,
    body: Callable[[Request], dict[str, Any]],
    response: Callable[[dict[str, Any]], Response],
) -> Desk:
    """Where questions to chat completions are handed in.

    Args:
        server: the API, with /v1.
        body: a question as chat completions have it.
        response: an answer of theirs.
    """

    def line(id_: str, request: Request) -> bytes:
        asked = {"custom_id": id_, "method": "POST", "url": _ENDPOINT, "body": body(request)}
        return as_line(asked)

    return Desk(
        line=line,
        send=lambda name, lines: _send(server, name, lines),
        state=lambda batch: _state(_batch(server, batch)),
        results=lambda batch: _results(server, batch, response),
        candidates=lambda name, count, since: _candidates(server, name, since),
    )


def _send(server: Server, name: str, lines: Sequence[bytes]) -> str:
    file = server.upload("/files", b"\n".join(lines) + b"\n", {"purpose": "batch"})
    asked = {
        "input_file_id": id_of(file, _FORM),
        "endpoint": _ENDPOINT,
        "completion_window": "24h",
        "metadata": {_NAME: name},
    }
    return id_of(server.post("/batches", asked), _FORM)


def _batch(server: Server, batch: str) -> dict[str, Any]:
    return server.get(f"/batches/{quote(batch, safe='')}")


def _state(batch: dict[str, Any]) -> State:
    status = batch.get("status")
    if status != "failed":
        return State(status in _ENDED)
    errors = (batch.get("errors") or {}).get("data") or []
    said = (
        "; ".join(dict.fromkeys(str(each.get("message")) for each in errors)) or "no reason given"
    )
    full = any(each.get("code") == _FULL for each in errors)
    return State(True, f"was not asked, the batch was refused: {said}", full)


def _results(
    server: Server, batch: str, response: Callable[[dict[str, Any]], Response]
) -> Iterator[Result]:
    found = _batch(server, batch)
    for file in (found.get("output_file_id"), found.get("error_file_id")):
        for line in server.lines(f"/files/{quote(file, safe='')}/content") if file else ():
            try:
                yield _result(line, response)
            except (AttributeError, KeyError, TypeError):
                continue  # whose line this was is unknown; the question is missed in the end


def _result(line: Any, response: Callable[[dict[str, Any]], Response]) -> Result:
    id_, error, answer = str(line["custom_id"]), line.get("error"), line.get("response")
    if error:
        fault = f"could not be asked ({error['code']}): {error['message']}"
        return Result(id_, None, fault, again=error["code"] == "batch_expired")
    status, body = answer["status_code"], answer["body"]
    if status == 200:
        return read(id_, response, body)
    said = (body.get("error") or {}).get("message")
    again = status in _AGAIN or status >= 500
    return Result(id_, None, f"refused the question ({status}): {said}", again)


def _candidates(server: Server, name: str, since: float) -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        page = server.get(f"/batches?limit={_LISTED}{after}")
        made = page.get("data") or []
        found += [each["id"] for each in made if (each.get("metadata") or {}).get(_NAME) == name]
        if not made or not page.get("has_more") or made[-1]["created_at"] < since:
            return found  # the newest come first
        after = f"&after={quote(made[-1]['id'], safe='')}"
