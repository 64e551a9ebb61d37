"""A list of addresses with captions, in img2dataset's fields: LAION's, DataComp's, one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ConfigDict

from haiga.sources.base import Found
from haiga.sources.download import FetchFault, Pace, fetch, in_order, open_client, sha256
from haiga.sources.rows import Read, meta_of, rows_of

_URL: Final = ("url", "URL", "image_url")
_CAPTION: Final = ("caption", "text", "TEXT", "CAPTION")
_HASH: Final = ("sha256", "md5")
WORKERS: Final = 8
Get = Callable[..., tuple[bytes, str]]
Job = TypeVar("Job")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Fetching:
    """How pictures are fetched."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    per_host: float = 1.0
    """Seconds between two requests to one host."""
    cache: str = ""
    """A folder that keeps what was fetched for other runs; "" keeps nothing."""


def url_list(
    seed: int,
    language: str,
    skip: int,
    *,
    data: str,
    columns: dict[str, str] | None = None,
    per_host: float = 1.0,
    cache: str = "",
    meta: dict[str, str] | None = None,
) -> Iterator[Found]:
    """The pictures of a list (.csv, .tsv, .parquet, .json, .jsonl), fetched in its order.

    A row is an address, `url`, with a `caption` (or `text`), a `sha256` or `md5` to hold against
    what comes, and anything else, which goes with the picture; `columns` says where one of these
    is called otherwise. Requests to one host begin `per_host` seconds apart. Under `cache`, if one
    is given, what was fetched is kept for other runs; without, a run that was stopped fetches at
    most 255 pictures again.

    What cannot be fetched is set aside: its address is in `meta`, and why is its reason. A server
    that says so (X-Robots-Tag: noai, noindex) is obeyed.

    Raises:
        DataError: the list cannot be read.
    """
    found = partial(found_in, columns=columns or {}, language=language, given=meta)
    yield from fetched(rows_of(data, skip), found, Fetching(per_host, cache))


def fetched(jobs: Iterable[Job], found: Callable[..., Made], how: Fetching) -> Iterator[Made]:
    """What `found(job, get=…)` makes of each job, in their order, eight at a time.

    `get` fetches one picture politely (see `download.fetch`).
    """
    folder = Path(how.cache).expanduser() if how.cache else None
    with open_client() as client:
        get = partial(fetch, client, Pace(how.per_host), cache=folder)
        yield from in_order(jobs, partial(found, get=get), WORKERS)


def found_in(
    job: tuple[str, Read],
    *,
    get: Get,
    columns: Mapping[str, str],
    language: str,
    given: Mapping[str, str] | None,
) -> Found:
    """The picture of one row of a list, or why there is none."""
    place, row = job
    if isinstance(row, str):
        return Found(place, language=language, meta=dict(given or {}), fault=row)
    url, address = _value(row, columns.get("url"), _URL)
    caption, told = _value(row, columns.get("caption"), _CAPTION)
    said = {**meta_of(row, (*_URL, address, told, *_HASH), given), "url": url}
    if not url:
        return Found(place, language=language, meta=said, fault=f"no address under {address!r}")
    checksum = next((str(row[key]) for key in _HASH if row.get(key)), "")
    try:
        shown = get(url, checksum=checksum)
    except FetchFault as fault:
        detail = {"error": fault.detail} if fault.detail else {}
        return Found(place, language=language, meta={**said, **detail}, fault=fault.reason)
    said["sha256"] = sha256(shown[0])
    return Found(place, (shown,), caption, language, said)


def _value(row: Mapping[str, Any], named: str | None, usual: tuple[str, ...]) -> tuple[str, str]:
    """The text under the column that is named, or under the first of the usual ones; its name."""
    column = named or next((key for key in usual if key in row), usual[0])
    value = row.get(column)
    return (value.strip() if isinstance(value, str) else ""), column
