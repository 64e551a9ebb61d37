"""What was measured is never measured again: a JSON line per picture, by measure and version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from haiga.curation.breaker import stop_if_most_fail
from haiga.events import read, to_jsonl

Values = dict[str, Any]
_BATCH = 64


def measured(
    folder: Path,
    name: str,
    ids: Iterable[str],
    pictures: Mapping[str, bytes],
    measure: Callable[[bytes], Values],
    *,
    progress: Callable[[int], None] = lambda count: None,
    threads: int = 2,
) -> dict[str, Values]:
    """The measurements of each picture, from `folder` where they are known, else made and kept.

    `name` carries a version ("pictures/1"). Decoders release the interpreter lock, so threads are
    as good as processes (1.9 times one thread on two cores).

    A picture on which `measure` fails unexpectedly gets the values {"error": sentence}, which are
    not kept: mended code measures it again.

    Raises:
        DataError: most pictures have an "error"; see `breaker`.
        StoreError: `pictures` lacks one of them.
    """
    path = folder / f"{name.replace('/', '-')}.jsonl"
    known = {line["id"]: line["values"] for line in read(path)}
    wanted = list(dict.fromkeys(ids))
    found = {id_: known[id_] for id_ in wanted if id_ in known}
    missing = [id_ for id_ in wanted if id_ not in known]
    progress(len(found))
    _stop_if_most_fail(found)
    keep = to_jsonl(path)
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            results = pool.map(lambda id_: _attempt(measure, pictures[id_]), batch)
            for id_, (values, lasting) in zip(batch, results, strict=True):
                found[id_] = values
                if lasting:
                    keep({"id": id_, "values": values})
            progress(len(batch))
            _stop_if_most_fail(found)
    return {id_: found[id_] for id_ in wanted}


def _attempt(measure: Callable[[bytes], Values], data: bytes) -> tuple[Values, bool]:
    """The values, and whether they will be the same tomorrow."""
    try:
        return measure(data), True
    except Exception as error:  # one strange picture must not cost the others
        return {"error": f"Measuring failed with {type(error).__name__}: {error}."}, False


def _stop_if_most_fail(found: Mapping[str, Values]) -> None:
    failures = [values["error"] for values in found.values() if "error" in values]
    stop_if_most_fail("pictures", failures, len(found))
