"""Anthropic's Message Batches (version 2026-10-21): questions in one body, results in one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from haiga.teachers.bulk.base import Desk, Result, State, as_line, id_of, read
from haiga.teachers.client import Request, Response
from haiga.teachers.http import Server

_PATH: Final = "/v1/messages/batches"
_LISTED: Final = 1000
_AGAIN: Final = ("api_error", "overloaded_error", "rate_limit_error", "timeout_error")
_FAULTS: Final = {
    "expired": "was not answered within a day, and its question expired",
    "canceled": "was not asked: its batch was canceled",
}


def desk(
    server: Server,
    body: Callable[[Request], dict[str, Any]],
    response: Callable[[dict[str, Any]], Response],
) -> Desk:
    """Where Claude's questions are handed in.

    Args:
        server: the API.
        body: a question as the Messages API has it.
        response: a message of that API.
    """
    return Desk(
        line=lambda id_, request: as_line({"custom_id": id_, "params": body(request)}),
        send=lambda name, lines: _send(server, lines),
        state=lambda batch: State(_batch(server, batch).get("processing_status") == "ended"),
        results=lambda batch: _results(server, batch, response),
        candidates=lambda name, count, since: _candidates(server, count, since),
    )


def _send(server: Server, lines: Sequence[bytes]) -> str:
    return id_of(server.send(_PATH, b'{"requests":[' + b",".join(lines) + b"]}"), "a Message Batch")


def _batch(server: Server, batch: str) -> dict[str, Any]:
    return server.get(f"{_PATH}/{quote(batch, safe='')}")


def _results(
    server: Server, batch: str, response: Callable[[dict[str, Any]], Response]
) -> Iterator[Result]:
    # The path that is documented, and not `results_url`: the key goes to no address but ours.
    for line in server.lines(f"{_PATH}/{quote(batch, safe='')}/results"):
        try:
            id_, result = str(line["custom_id"]), line["result"]
            yield _result(id_, result, response)
        except (KeyError, TypeError):
            continue  # whose line this was is unknown; the question is missed in the end


def _result(
    id_: str, result: dict[str, Any], response: Callable[[dict[str, Any]], Response]
) -> Result:
    kind = result["type"]
    if kind == "succeeded":
        return read(id_, response, result["message"])
    if kind == "errored":
        error = result["error"]["error"]
        fault = f"could not be asked ({error['type']}): {error['message']}"
        return Result(id_, None, fault, again=error["type"] in _AGAIN)
    fault = _FAULTS.get(kind, f"was not asked ({kind})")
    return Result(id_, None, fault, again=kind == "expired")


def _candidates(server: Server, count: int, since: float) -> list[str]:
    """Batches have no names: what can be known is when they were made, and how many they hold."""
    found = server.get(f"{_PATH}?limit={_LISTED}").get("data") or []
    return [
        each["id"]
        for each in found
        if sum(each["request_counts"].values()) == count
        and datetime.fromisoformat(each["created_at"]).timestamp() >= since
    ]
