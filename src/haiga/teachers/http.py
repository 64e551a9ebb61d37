"""JSON over HTTP, and every way in which it can go wrong.

Nothing here is written down, and a sentence never holds the key. Connections are not kept open: a
call takes seconds, a handshake does not, and a connection that went stale between two calls is the
commonest way to lose one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Final

import httpx2

from haiga.errors import BusyError, TeacherError

SECONDS: Final = 600.0
"""That one answer may take, from the question to its last byte."""
_LONG: Final = 3600.0
"""That one file of answers may take."""
_CONNECT: Final = 15.0
_MOST: Final = 32 * 2**20
_QUOTED: Final = 240
_AGAIN: Final = (408, 409, 429)


def key_in(variable: str) -> str:
    """The key that an environment variable holds, "" where there is none.

    Raises:
        TeacherError: it holds what no key is made of.
    """
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        # Not sent: a header that cannot be written is quoted by the library that refuses it.
        raise TeacherError(f"{variable} holds characters that no key has; set it anew.")
    return key


@dataclass(frozen=True, slots=True)
class Server:
    """An API at an address; its key is read from the environment each time that it is sent."""

    url: str
    """Without a slash at its end."""
    variable: str
    """The environment variable that holds the key; "" where none is sent."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those besides the key's."""

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that came back for a JSON object; raises as `post`."""
        return post(self.url + path, body, *self._with_key())

    def send(self, path: str, body: bytes) -> dict[str, Any]:
        """The same, of JSON that is written already."""
        headers, key = self._with_key()
        headers = {**headers, "content-type": "application/json"}
        return _object("POST", self.url + path, headers, key, content=body)

    def upload(self, path: str, data: bytes, fields: Mapping[str, str]) -> dict[str, Any]:
        """The JSON object that came back for a file of JSON lines; raises as `post`."""
        headers, key = self._with_key()
        file = {"file": ("questions.jsonl", data, "application/jsonl")}
        return _object("POST", self.url + path, headers, key, files=file, data=dict(fields))

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object at a path; raises as `post`."""
        return _object("GET", self.url + path, *self._with_key())

    def lines(self, path: str) -> Iterator[Any]:
        """The values of a file of JSON lines as they come, None for a line that is none.

        Raises as `post`, also in the middle of the file.
        """
        headers, key = self._with_key()
        deadline, rest = time.monotonic() + _LONG, b""
        with _answered("GET", self.url + path, headers, key) as (answer, where):
            for chunk in answer.iter_bytes():
                # Not splitlines: a text may hold U+2028, which JSON does not escape.
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (_json(line) for line in whole if line.strip())
                if time.monotonic() > deadline:
                    raise BusyError(f"{where} did not end its file within {_LONG:.0f} seconds.")
        if rest.strip():
            yield _json(rest)

    def _with_key(self) -> tuple[dict[str, str], str]:
        key = key_in(self.variable) if self.variable else ""
        return {**({"authorization": f"Bearer {key}"} if key else {}), **self.headers}, key


def post(url: str, body: Mapping[str, Any], headers: Mapping[str, str], key: str) -> dict[str, Any]:
    """The JSON object that came back.

    Args:
        url: the whole address.
        body: sent as JSON.
        headers: those besides the content type.
        key: removed from whatever is quoted.

    Raises:
        BusyError: no answer, no connection, or one that asks to be asked again.
        TeacherError: an answer that would be the same another time.
    """
    return _object("POST", url, headers, key, json=body)


def _object(
    method: str, url: str, headers: Mapping[str, str], key: str, **sent: Any
) -> dict[str, Any]:
    with _answered(method, url, headers, key, **sent) as (answer, where):
        data = _read(answer, where)
    value = _json(data)
    if not isinstance(value, dict):
        raise TeacherError(f"{where} answered with something other than JSON: {_quote(data, key)}")
    return value


@contextmanager
def _answered(
    method: str, url: str, headers: Mapping[str, str], key: str, **sent: Any
) -> Iterator[tuple[httpx2.Response, str]]:
    """An answer whose body is still to be read, and who gave it."""
    where = httpx2.URL(url).netloc.decode("ascii").rpartition("@")[2]
    try:
        with _client().stream(method, url, headers=headers, **sent) as answer:
            if not answer.is_success:
                raise _fault(answer, _read(answer, where), where, key)
            yield answer, where
    except httpx2.TimeoutException as error:
        raise BusyError(f"{where} did not answer in time ({type(error).__name__}).") from None
    except httpx2.TransportError as error:
        raise BusyError(f"{where} cannot be reached ({type(error).__name__}).") from None


@cache
def _client() -> httpx2.Client:
    timeout = httpx2.Timeout(SECONDS, connect=_CONNECT)
    return httpx2.Client(timeout=timeout, limits=httpx2.Limits(max_keepalive_connections=0))


def _read(answer: httpx2.Response, where: str) -> bytes:
    """The body, within the time and the size that one may have."""
    deadline = time.monotonic() + SECONDS
    data = bytearray()
    for chunk in answer.iter_bytes():
        data += chunk
        if time.monotonic() > deadline:
            raise BusyError(f"{where} did not end its answer within {SECONDS:.0f} seconds.")
        if len(data) > _MOST:
            raise TeacherError(f"{where} answered with more than {_MOST >> 20} MiB.")
    return bytes(data)


def _fault(answer: httpx2.Response, data: bytes, where: str, key: str) -> TeacherError:
    """What a status means; no two of these sentences may differ by a request's number."""
    value, status = _json(data), answer.status_code
    error = value.get("error") if isinstance(value, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    words = _quote(str(said or data.decode("utf-8", "replace")).encode(), key)
    if status in (401, 403):
        return TeacherError(f"{where} did not accept the key ({status}); check it: {words}")
    code = error.get("code") if isinstance(error, dict) else None
    asks = answer.headers.get("x-should-retry")
    again = status in _AGAIN or status >= 500
    if asks in ("true", "false"):
        again = asks == "true"
    # The same status as being asked too fast, but it lasts until someone pays.
    if code == "insufficient_quota" or not again:
        hint = ". Check `model`, and `base_url`: it often ends in /v1." if status == 404 else ""
        return TeacherError(f"{where} refused the question ({status}): {words}{hint}")
    return BusyError(f"{where} answered {status}: {words}", wait=_wait(answer.headers))


def _wait(headers: httpx2.Headers) -> float | None:
    """The seconds that a server asks to be left alone for."""
    try:
        if "retry-after-ms" in headers:
            return float(headers["retry-after-ms"]) / 1000
        return float(headers["retry-after"])
    except KeyError:
        return None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError):
        return None


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _quote(data: bytes, key: str) -> str:
    text = " ".join(data[: 16 * _QUOTED].decode("utf-8", "replace").split())
    text = text.replace(key, "…") if key else text
    return text if len(text) <= _QUOTED else text[:_QUOTED] + "…"
