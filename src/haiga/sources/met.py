"""The Metropolitan Museum's Open Access collection: its table filtered here, then object by object.

The API's search is not used: it has been retired once, its index lists what is withdrawn, and it
ignores filters that it does not know. What follows is what the API does, which is not all that its
documentation says: https://metmuseum.github.io, https://github.com/metmuseum/openaccess.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import httpx2

from haiga.errors import DataError, RecipeError
from haiga.recipe.names import did_you_mean, listed
from haiga.sources.base import Found
from haiga.sources.download import (
    FetchFault,
    Pace,
    Reply,
    asked_wait,
    fetch,
    host_of,
    in_order,
    open_client,
    patiently,
    picture_in,
    read,
)
from haiga.sources.rows import read_table
from haiga.store import write_atomically

API: Final = "https://collectionapi.metmuseum.org/public/collection/v1/objects"
PRINTS: Final = (
    ("Is Public Domain", "^True$"),
    ("Department", "^Asian Art$"),
    ("Culture", "^Japan"),
    ("Classification|Object Name", "^Prints?$"),
    ("Medium", "(?i)woodblock"),
)
"""Japanese woodblock prints; printed books have the medium, and not the classification."""
BLOCKED: Final = 60.0
"""Seconds that a block lasts; asking sooner, at whatever intervals, prolongs it."""
_WORKERS: Final = 2
_IDS: Final = "Object ID"
_META: Final = {
    "title": "title", "artist": "artistDisplayName", "date": "objectDate", "medium": "medium",
    "culture": "culture", "period": "period", "classification": "classification",
    "number": "accessionNumber", "credit": "creditLine", "url": "objectURL",
}  # fmt: skip
_BLOCK: Final = "the museum's servers refuse for now"
Clauses = tuple[tuple[str, str], ...]


def met(
    seed: int,
    language: str,
    skip: int,
    *,
    data: str,
    where: Clauses = PRINTS,
    size: Literal["small", "original"] = "small",
    seconds: float = 1.0,
    cache: str = "~/.cache/haiga/met",
) -> Iterator[Found]:
    """The objects of MetObjects.csv that pass every clause, with their first picture.

    A clause is a column and a regular expression that is searched for in it; of "A|B" the first
    that is not empty counts. `size` "small" is about 600 pixels wide, "original" up to 4000.
    Requests to each of the museum's two hosts begin `seconds` apart, for which about 80 a minute
    are let through; `cache` keeps every answer and every picture, so that nothing is asked twice.

    Pictures are CC0 where the object is in the public domain, and only such are taken; there is
    no caption. What the API does not know (404) or has no picture for is set aside.

    Raises:
        DataError: the table cannot be used, nothing passes, or the museum goes on refusing.
        RecipeError: a clause is no regular expression.
    """
    kept = Path(cache).expanduser()
    pace = Pace(seconds)
    with open_client() as client:
        ask = partial(_object, client, pace, kept / "objects")
        look = partial(fetch, client, pace, cache=kept / "pictures", check=_unblocked)
        jobs = ((id_, _job(id_, row, ask)) for id_, row in _chosen(data, where, skip))
        yield from in_order(jobs, partial(_found, look, language, size), _WORKERS)


def clause_counts(
    *, data: str, where: Clauses = PRINTS, **options: Any
) -> Iterator[tuple[str, int]]:
    """How many objects are left after each clause, in words and as a number; other options play
    no part."""
    left = dict.fromkeys(where, 0)
    total = 0
    for _, row in _rows(Path(data), where):
        total += 1
        for clause in where:
            if isinstance(row, str) or not _passes(row, *clause):
                break
            left[clause] += 1
    yield f"{total:,} objects in the museum's table", total
    for (column, pattern), count in left.items():
        yield f"{count:,} after {column} ~ {pattern}", count


def _chosen(data: str, where: Clauses, skip: int) -> Iterator[tuple[str, dict[str, str] | str]]:
    """Number and row of each object that passes, after the first `skip`; a fault in place of a row
    that cannot be read."""
    seen: set[str] = set()
    count = 0
    for place, row in _rows(Path(data), where):
        if not isinstance(row, str) and not all(_passes(row, *clause) for clause in where):
            continue
        count += 1
        id_ = place if isinstance(row, str) else row[_IDS]
        twice = id_ in seen
        seen.add(id_)
        if count > skip:
            yield (f"{id_} ({place})", "its Object ID comes twice") if twice else (id_, row)
    if not count:
        counts = "; ".join(text for text, _ in clause_counts(data=data, where=where))
        raise DataError(f"Nothing in {data} passes every clause of the source: {counts}.")


def _rows(path: Path, where: Clauses) -> Iterator[tuple[str, dict[str, str] | str]]:
    for column, pattern in where:
        try:
            re.compile(pattern)
        except re.error as error:
            raise RecipeError(
                f"source.where: {pattern!r}, for {column}, is no regular expression: {error}."
            ) from error
    needed = {_IDS, *(name for column, _ in where for name in column.split("|"))}
    for number, row in enumerate(read_table(path), 2):
        if not isinstance(row, str) and (missing := sorted(needed - set(row))):
            near = did_you_mean(missing[0], list(row))
            raise DataError(f"{path} has no column {missing[0]!r}{near}; it has: {listed(row)}.")
        yield f"{path.name}:{number}", row


def _passes(row: Mapping[str, str], column: str, pattern: str) -> bool:
    value = next((row[name] for name in column.split("|") if row[name].strip()), "")
    return re.search(pattern, value) is not None


def _job(
    id_: str, row: dict[str, str] | str, ask: Callable[[str], dict[str, Any]]
) -> dict[str, Any] | FetchFault:
    """What the museum says of an object, or why it says nothing."""
    try:
        return FetchFault(row) if isinstance(row, str) else ask(id_)
    except FetchFault as fault:
        return fault


def _object(client: httpx2.Client, pace: Pace, kept: Path, id_: str) -> dict[str, Any]:
    """An object of the API, asked once and then kept, as is the answer that there is none."""
    path = kept / f"{id_}.json"
    url = f"{API}/{id_}"
    if path.is_file():
        return _known(json.loads(path.read_bytes()))
    try:
        answer = patiently(lambda: _answer(read(client, url)), pace, host_of(url))
    except FetchFault as fault:
        raise _stop(fault) if fault.reason == _BLOCK else fault from None
    write_atomically(path, json.dumps(answer, ensure_ascii=False).encode())
    return _known(answer)


def _answer(reply: Reply) -> dict[str, Any]:
    """The answer of the API, of an object or of there being none.

    A page in place of JSON is the network in front of the museum, whatever its status: it comes
    with 403, without Retry-After, and at times with 200.
    """
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        raise FetchFault(
            _BLOCK, f"HTTP {reply.status}, {reply.kind}", again=True, after=BLOCKED
        ) from None
    if reply.status == 410:
        raise DataError(
            f"The museum has retired {API}: {said}. This version of haiga does not know what has "
            "come in its place; the table and everything fetched so far remain of use."
        )
    if isinstance(said, dict) and (reply.status == 404 or "objectID" in said):
        return said
    again = reply.status == 429 or reply.status >= 500
    raise FetchFault(
        f"HTTP {reply.status}", str(said)[:200], again=again, after=asked_wait(reply.headers)
    )


def _known(answer: dict[str, Any]) -> dict[str, Any]:
    if "objectID" not in answer:
        raise FetchFault("not in the API (404)", str(answer.get("message", "")))
    return answer


def _unblocked(reply: Reply) -> bytes:
    """The picture in a reply that is not the page of a block."""
    if reply.kind == "text/html" and reply.status in (200, 403):
        raise FetchFault(_BLOCK, f"HTTP {reply.status}, text/html", again=True, after=BLOCKED)
    return picture_in(reply)


def _stop(fault: FetchFault) -> DataError:
    return DataError(
        f"The museum's servers go on refusing ({fault.detail}). They let through some 80 requests "
        "a minute and block for a minute whoever asks for more; others may ask from the same "
        "address. What was fetched is kept: run the same command again later, or ask for more "
        "`seconds` between requests."
    )


def _found(
    look: Callable[[str], tuple[bytes, str]],
    language: str,
    size: str,
    job: tuple[str, dict[str, Any] | FetchFault],
) -> Found:
    id_, said = job
    if isinstance(said, FetchFault):
        return _lost(id_, language, {}, said)
    meta = _meta(said)
    url = said.get("primaryImageSmall" if size == "small" else "primaryImage")
    try:
        if said.get("isPublicDomain") is not True:
            raise FetchFault("not in the public domain")
        # An empty text, not a missing key, wherever a picture is not Open Access.
        if not url:
            raise FetchFault("the museum shows no picture")
        return Found(id_, (look(url),), "", language, {**meta, "picture": url})
    except FetchFault as fault:
        if fault.reason == _BLOCK:
            raise _stop(fault) from fault
        return _lost(id_, language, {**meta, "picture": url}, fault)


def _lost(id_: str, language: str, meta: dict[str, Any], fault: FetchFault) -> Found:
    detail = {"error": fault.detail} if fault.detail else {}
    return Found(id_, language=language, meta={**meta, **detail}, fault=fault.reason)


def _meta(said: Mapping[str, Any]) -> dict[str, Any]:
    """What goes with a picture: who made it, when, and to whom credit is due."""
    meta: dict[str, Any] = {
        name: html.unescape(said[key]) for name, key in _META.items() if said.get(key)
    }
    meta["tags"] = [tag["term"] for tag in said.get("tags") or ()]
    source = "The Metropolitan Museum of Art, Open Access"
    return {**meta, "licence": "CC0 1.0", "source": source}
