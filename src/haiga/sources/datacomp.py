"""DataComp's pools (Gadre et al. 2023): lists of addresses with scores, and the subsets of them.

https://github.com/mlfoundations/datacomp
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from haiga.errors import DataError
from haiga.recipe import names
from haiga.sources.base import Found
from haiga.sources.rows import Read, rows_of
from haiga.sources.url_list import Fetching, fetched, found_in

_UID: Final = np.dtype("u8,u8")


def datacomp(
    seed: int,
    language: str,
    skip: int,
    *,
    data: str,
    subset: str = "",
    at_least: dict[str, float] | None = None,
    fetch: Fetching | None = None,
    meta: dict[str, str] | None = None,
) -> Iterator[Found]:
    """The pictures of a pool's metadata (.parquet), fetched as the source `url_list` fetches.

    A row is taken if its `uid` is in `subset`, a .npy file as DataComp's own filters write it, and
    if each column in `at_least` has that value or more: `{ clip_b32_similarity_score = 0.28 }`. Its
    picture must have the row's `sha256`. DataComp blurs the faces in `face_bboxes` after it has
    fetched; pictures are kept here as they come.

    Raises:
        DataError: the metadata or the subset cannot be read, or no row is taken.
    """
    chosen = _chosen(data, _rules(subset, at_least), skip)
    found = partial(found_in, columns={"caption": "text"}, language=language, given=meta)
    yield from fetched(chosen, found, fetch or Fetching())


def row_counts(
    *,
    data: str,
    subset: str = "",
    at_least: dict[str, float] | None = None,
    **options: Any,
) -> Iterator[tuple[str, int]]:
    """How many rows are left after each rule, in words and as a number; other options play no
    part."""
    rules = _rules(subset, at_least)
    left = dict.fromkeys(rules, 0)
    total = 0
    for _, row in rows_of(data):
        total += 1
        for name, passes in rules.items():
            if isinstance(row, str) or not passes(row):
                break
            left[name] += 1
    yield f"{total:,} rows in DataComp's metadata", total
    for name, count in left.items():
        yield f"{count:,} after {name}", count


def _chosen(data: str, rules: Mapping[str, Any], skip: int) -> Iterator[tuple[str, Read]]:
    """Place and row of each that passes, after the first `skip`; rows that cannot be read too."""
    count = 0
    for place, row in rows_of(data):
        if not isinstance(row, str) and not all(passes(row) for passes in rules.values()):
            continue
        count += 1
        if count > skip:
            yield place, row
    if not count:
        raise DataError(f"No row of {data} is taken: none passes {names.listed(rules)}.")


def _rules(subset: str, at_least: Mapping[str, float] | None) -> dict[str, Any]:
    """What a row must pass, by what it is called in the counts."""
    rules: dict[str, Any] = {}
    if subset:
        rules[f"the subset {Path(subset).name}"] = partial(_within, _uids(Path(subset)))
    for column, least in (at_least or {}).items():
        rules[f"{column} >= {least:g}"] = partial(_reaches, column, least)
    return rules


def _uids(path: Path) -> NDArray[Any]:
    """A subset, sorted: each uid as two numbers of 64 bits."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"The subset {path} cannot be read: {error}.") from error
    if found.dtype != _UID or found.ndim != 1:
        raise DataError(
            f"{path} is no subset of DataComp: it holds {found.dtype}, and a subset holds pairs of "
            "64-bit numbers (dtype u8,u8), the two halves of each uid."
        )
    return np.sort(found)


def _within(uids: NDArray[Any], row: Mapping[str, Any]) -> bool:
    try:
        uid = str(row["uid"])
        wanted = np.array((int(uid[:16], 16), int(uid[16:32], 16)), _UID)
    except (KeyError, ValueError):
        return False
    at = int(np.searchsorted(uids, wanted))
    return at < len(uids) and bool(uids[at] == wanted)


def _reaches(column: str, least: float, row: Mapping[str, Any]) -> bool:
    if column not in row:
        near = names.did_you_mean(column, list(row))
        raise DataError(f"DataComp's rows have no column {column!r}{near}: {names.listed(row)}.")
    return row[column] is not None and row[column] >= least
