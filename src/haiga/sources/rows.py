"""Rows of local tables, one at a time: CSV, JSON lines, a JSON list, Parquet.

JSON is read here and not through Arrow: published sets mix numbers and texts under one key, and
a single such row would cost Arrow the whole file.
"""

from __future__ import annotations

import csv
import json
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from haiga.errors import DataError
from haiga.recipe.names import listed

Read = dict[str, Any] | str
"""A row, or why it cannot be read."""

_CHUNK: Final = 1 << 20
_LONGEST: Final = 32 << 20
"""Characters of one item of a JSON list; behind a longer one something is broken."""
_BATCH: Final = 16
_FIELD: Final = 1 << 24
_LICENCE: Final = {"license": "licence"}
_POINTER: Final = b"version https://git-lfs"
_BROKEN: Final = (
    OSError, EOFError, UnicodeDecodeError, csv.Error, pa.ArrowException, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip


def paths_of(data: str, suffixes: Collection[str] = ()) -> list[Path]:
    """The files that `data` names, in order: one file, a pattern, or those of a folder.

    Of a folder the tables are taken, or what ends in `suffixes`.

    Raises:
        DataError: there are none.
    """
    path = Path(data)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [each for each in path.rglob("*") if each.suffix.lower() in (suffixes or READERS)]
    else:
        found = list(Path(path.anchor).glob(path.relative_to(path.anchor).as_posix()))
    if files := sorted(each for each in found if each.is_file()):
        return files
    raise DataError(
        f"There is nothing to read at {data}. Name a file, a folder or a pattern; what can be read "
        f"ends in {listed(suffixes or READERS)}."
    )


def rows_of(data: str, skip: int = 0) -> Iterator[tuple[str, Read]]:
    """Every row behind `data` after the first `skip`, each with its place, "train.jsonl:12".

    Places count from 1 and do not tell where the files lie; two files of one name in different
    folders are told apart by those folders.

    Raises:
        DataError: a file cannot be read at all; a row that cannot be read is a sentence.
    """
    paths = paths_of(data)
    names = names_of(paths)
    left = skip
    for path, name in zip(paths, names, strict=True):
        for number, row in enumerate(read_table(path), 1):
            if left:
                left -= 1
                continue
            yield f"{name}:{number}", row


def meta_of(
    row: Mapping[str, Any], used: Collection[str], given: Mapping[str, str] | None
) -> dict[str, Any]:
    """What a row says besides what is `used`, over what is `given` for all rows.

    Plain JSON values; empty ones are left out. "license" is called "licence", so that pictures of
    all sources can be credited alike.
    """
    own = {
        _LICENCE.get(key, str(key)): _plain(value)
        for key, value in row.items()
        if key not in used and value is not None and value != "" and not _has_bytes(value)
    }
    return {**{_LICENCE.get(key, key): value for key, value in (given or {}).items()}, **own}


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def _has_bytes(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_bytes, value.values()))
    if isinstance(value, list):
        return any(map(_has_bytes, value))
    return isinstance(value, bytes)


def names_of(paths: list[Path]) -> list[str]:
    """What the files are called, with the folders that tell two of one name apart."""
    if len({path.name for path in paths}) == len(paths):
        return [path.name for path in paths]
    shared = len(Path(*_common([path.parent.parts for path in paths])).parts)
    return [Path(*path.parts[shared:]).as_posix() for path in paths]


def _common(parts: list[tuple[str, ...]]) -> list[str]:
    shared = []
    for each in zip(*parts, strict=False):
        if len(set(each)) > 1:
            break
        shared.append(each[0])
    return shared


def read_table(path: Path) -> Iterator[Read]:
    """The rows of one file, by its suffix.

    Raises:
        DataError: it cannot be read, or not to its end.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is no table that can be read; these end in {listed(READERS)}.")
    try:
        with path.open("rb") as file:
            if file.read(len(_POINTER)) == _POINTER:
                raise DataError(
                    f"{path} is not the file but a Git LFS pointer to it ({path.stat().st_size} "
                    "bytes). Fetch what it points to: run `git lfs pull` in its clone, or download "
                    "the file itself."
                )
        yield from reader(path)
    except _BROKEN as error:
        raise DataError(f"{path} cannot be read: {error}. Fetch it again.") from error


def _csv(path: Path) -> Iterator[Read]:
    """By the names in its first line; a field may hold line breaks."""
    csv.field_size_limit(_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as file:
        dialect = "excel-tab" if path.suffix.lower() == ".tsv" else "excel"
        reader = csv.DictReader(file, dialect=dialect)
        for row in reader:
            extra = row.pop(None, None)
            if extra is not None or None in row.values():
                yield "not as many fields as the table has columns"
            else:
                yield dict(row)


def _json_lines(path: Path) -> Iterator[Read]:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for line in file:
            if line.strip():
                yield _row(line)


def _row(text: str) -> Read:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return "not JSON"
    return row if isinstance(row, dict) else "not a JSON object"


def _json_list(path: Path) -> Iterator[Read]:
    """The items of a JSON list, without holding the list; a comma too many is forgiven."""
    with path.open(encoding="utf-8-sig") as file:
        first = file.read(_CHUNK).lstrip()
        if first.startswith("["):
            yield from _items(path, file, first[1:])
            return
    if isinstance(_row(first.split("\n", 1)[0]), str):
        raise DataError(
            f"{path} begins with {first[:20]!r}: it is neither a JSON list of rows nor a row on "
            "each line. Take the list out of what it is wrapped in."
        )
    yield from _json_lines(path)


def _items(path: Path, file: TextIO, text: str) -> Iterator[Read]:
    decoder = json.JSONDecoder()
    at = 0
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        try:
            # A number may go on in what is not read yet; then it is no row in any case.
            item, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            if text[at : at + 1] == "]":
                return
            if len(text) - at > _LONGEST or not (more := file.read(_CHUNK)):
                raise DataError(
                    f"{path} is not JSON to its end: {error} of its last part. It was cut off, or "
                    "a row in it is broken. Fetch it again, or leave that row out."
                ) from error
            text, at = text[at:] + more, 0
        else:
            yield item if isinstance(item, dict) else "not a JSON object"


def _zipped(path: Path) -> Iterator[Read]:
    """JSON lines in a zip file, as MMC4 has them; nothing is unpacked to the disk."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in sorted(archive.namelist()) if name.endswith(".jsonl")]
        if not names:
            raise DataError(f"{path} holds no .jsonl file. Unpack it, and name what is inside.")
        for name in names:
            with archive.open(name) as file:
                for line in TextIOWrapper(file, "utf-8-sig", newline="\n"):
                    if line.strip():
                        yield _row(line)


def _parquet(path: Path) -> Iterator[Read]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH, use_threads=False):
            yield from batch.to_pylist()


READERS: Final[dict[str, Callable[[Path], Iterator[Read]]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_list,
    ".zip": _zipped,
    ".parquet": _parquet,
}
