"""Pictures from the web, politely: paced by host, limited in size and time, and checked.

A failure has a reason that can be counted ("HTTP 404") and a detail that tells it from others.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import httpx2

from haiga.sources.base import MAX_BYTES
from haiga.sources.files import TOO_LARGE, picture
from haiga.store import write_atomically

TRIES: Final = 3
BACKOFF: Final = 2.0
"""Seconds before the second try; twice as many before the third."""
LONGEST_WAIT: Final = 300.0
"""A server that asks for more patience than this has said no."""
SECONDS: Final = 60.0
"""For one file from its first byte to its last: one that drips for hours is given up."""
AGENT: Final = "haiga/0.1 (gathers pictures to train a model on)"
_REFUSALS: Final = ("noai", "noimageai", "noindex", "noimageindex")
_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


class FetchFault(Exception):  # noqa: N818 - not an error: it names a reason for which a row is set aside
    """Why something could not be fetched."""

    def __init__(
        self, reason: str, detail: str = "", *, again: bool = False, after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail
        self.again, self.after = again, after
        """Whether another try may help, and the seconds that the server asks for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server sent."""

    status: int
    kind: str
    """Its word for what it is, "image/jpeg"."""
    body: bytes
    headers: httpx2.Headers


class Pace:
    """Requests to one host begin at least `seconds` apart, from however many threads."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, host: str) -> None:
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next.get(host, now))
            self._next[host] = turn + self._seconds
        time.sleep(turn - now)

    def hold(self, host: str, seconds: float) -> None:
        """Let nobody ask this host for so long."""
        with self._lock:
            self._next[host] = max(self._next.get(host, 0.0), time.monotonic() + seconds)


def open_client() -> httpx2.Client:
    """A client that says who it is."""
    return httpx2.Client(
        headers={"User-Agent": AGENT, "Accept-Encoding": "identity"},
        follow_redirects=True,
        max_redirects=5,
        timeout=httpx2.Timeout(20.0),
    )


def read(client: httpx2.Client, url: str, *, limit: int = MAX_BYTES) -> Reply:
    """One request, whatever the status.

    Raises:
        FetchFault: no whole answer came, or one above `limit` bytes.
    """
    began = time.monotonic()
    try:
        with client.stream("GET", url) as response:
            if int(response.headers.get("content-length") or 0) > limit:
                raise FetchFault(TOO_LARGE)
            chunks, size = [], 0
            for chunk in response.iter_bytes():
                size += len(chunk)
                if size > limit:
                    raise FetchFault(TOO_LARGE)
                if time.monotonic() - began > SECONDS:
                    raise FetchFault("too slow", f"{size} bytes in {SECONDS:.0f} s")
                chunks.append(chunk)
            kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
            return Reply(response.status_code, kind, b"".join(chunks), response.headers)
    except httpx2.TimeoutException as error:
        raise FetchFault("timed out", repr(error), again=True) from error
    except httpx2.TooManyRedirects as error:
        raise FetchFault("too many redirects", str(error)) from error
    except (httpx2.UnsupportedProtocol, httpx2.InvalidURL, ValueError) as error:
        raise FetchFault("not a web address", str(error)) from error
    except httpx2.RemoteProtocolError as error:
        raise FetchFault("cut off", str(error), again=True) from error
    except httpx2.RequestError as error:
        raise FetchFault("no connection", str(error) or repr(error), again=True) from error


def fetch(
    client: httpx2.Client,
    pace: Pace,
    url: str,
    *,
    cache: Path | None = None,
    checksum: str = "",
    check: Callable[[Reply], bytes] | None = None,
) -> tuple[bytes, str]:
    """The picture at an address and its suffix, tried up to three times, kept in `cache`.

    Args:
        client: see `open_client`.
        pace: shared by all who fetch.
        url: with its scheme.
        cache: a folder of what was fetched before; None keeps nothing.
        checksum: what the file's SHA-256 or MD5 must be, in hex; "" accepts any.
        check: the picture in a reply; `picture_in` where a server needs no other.

    Raises:
        FetchFault: it could not be fetched, or is not the picture that it should be.
    """
    kept = cache / kept_name(url) if cache else None
    if kept is not None and kept.is_file():
        data = kept.read_bytes()
    else:
        opened = check or picture_in
        data = patiently(lambda: opened(read(client, url)), pace, host_of(url))
        if kept is not None:
            write_atomically(kept, data)
    shown = picture(data)
    if isinstance(shown, str):
        raise FetchFault(shown)
    if checksum and checksum.lower() not in (sha256(data), _md5(data)):
        raise FetchFault("its checksum differs", f"{sha256(data)}, not {checksum}")
    return shown


def patiently(attempt: Callable[[], _Result], pace: Pace, host: str) -> _Result:
    """What `attempt` returns, tried up to three times where a fault says that this may help."""
    for number in range(1, TRIES + 1):
        pace.wait(host)
        try:
            return attempt()
        except FetchFault as fault:
            after = BACKOFF * 2 ** (number - 1) if fault.after is None else fault.after
            if not fault.again or number == TRIES or after > LONGEST_WAIT:
                raise
            if fault.after is None:
                time.sleep(after)
            else:
                pace.hold(host, after)
    raise AssertionError("the last try returns or raises")


def picture_in(reply: Reply) -> bytes:
    """The picture that a server sent.

    Raises FetchFault where it sent something else, or asks not to use it.
    """
    if reply.status != 200:
        again = reply.status in (408, 425, 429) or reply.status >= 500
        raise FetchFault(f"HTTP {reply.status}", again=again, after=asked_wait(reply.headers))
    words = reply.headers.get("x-robots-tag", "").lower().replace(":", ",").split(",")
    if any(word.strip() in _REFUSALS for word in words):
        raise FetchFault("its server asks not to use it (X-Robots-Tag)")
    shown = picture(reply.body)
    if isinstance(shown, str):
        raise FetchFault(shown, f"sent as {reply.kind or 'nothing'}: {reply.body[:40]!r}")
    return reply.body


def asked_wait(headers: httpx2.Headers) -> float | None:
    """The seconds in Retry-After, which may also be a date; None where there is none."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def host_of(url: str) -> str:
    """The host that an address names; "" where it is no address.

    Raises FetchFault where it cannot be read as one.
    """
    try:
        return urlsplit(url).netloc.lower()
    except ValueError as error:
        raise FetchFault("not a web address", str(error)) from error


def kept_name(url: str) -> str:
    """Where an answer is kept: two folders deep, since there may be many."""
    name = sha256(url.encode())
    return f"{name[:2]}/{name}"


def sha256(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def in_order(
    jobs: Iterable[_Job], work: Callable[[_Job], _Result], workers: int
) -> Iterator[_Result]:
    """What `work` makes of each job, in their order, `workers` at a time and little ahead."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[_Result]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(work, job))
                if len(waiting) >= 4 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
