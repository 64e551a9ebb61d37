"""Whether the files that a source reads are still those that were gathered.

    data/00_raw/listing.parquet    each file's name, size, time of change, and what it held

Sizes and times are asked, which is quick. A file that has another time and the same size is read,
where it is known what it held: a folder that was copied or checked out anew has not changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa

from haiga.store import Folder, digest, fingerprint
from haiga.store.tables import read_rows, write_rows

NAME: Final = "listing.parquet"
_WORDS: Final = 1 << 16
"""Bytes of a file that is read for what it holds; larger ones are pictures, shards and tables."""
_COLUMNS: Final = pa.schema([
    ("name", pa.string()), ("size", pa.int64()), ("time", pa.int64()), ("held", pa.string()),
])  # fmt: skip


class File(NamedTuple):
    """What is known of one file without reading it."""

    path: str
    """Not a Path, which is ten times as large: there may be a hundred thousand."""
    size: int
    time: int
    """Of its last change, in nanoseconds."""


class Known(NamedTuple):
    """What was known of one file when it was gathered."""

    size: int
    time: int
    held: str
    """The digest of its bytes; "" where they were not read as a whole."""


@dataclass(frozen=True)
class Changes:
    """Names of the files that came, went, and hold something else."""

    new: Sequence[str]
    gone: Sequence[str]
    changed: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.changed)

    def __str__(self) -> str:
        said = {"new": self.new, "gone": self.gone, "changed": self.changed}
        return ", ".join(_said(how, names) for how, names in said.items() if names)


def _said(how: str, names: Sequence[str]) -> str:
    number = "1 file is" if len(names) == 1 else f"{len(names):,} files are"
    return f"{number} {how} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"


def look(files: Iterable[tuple[str, Path]]) -> dict[str, File]:
    """The files as they are now; one that is gone by the time it is asked is left out."""
    found = {}
    for name, path in files:
        try:
            told = path.stat()
        except OSError:
            continue
        found[name] = File(str(path), told.st_size, told.st_mtime_ns)
    return found


def mark(files: Mapping[str, File]) -> str:
    """The fingerprint of a listing."""
    return fingerprint([[name, each.size, each.time] for name, each in files.items()])


def keep(raw: Folder, files: Mapping[str, File], held: Mapping[str, str]) -> None:
    """Note a listing beside the rows of 00_raw; `held` is name -> digest where that is known."""
    rows = [
        {"name": name, "size": each.size, "time": each.time, "held": held.get(name, "")}
        for name, each in files.items()
    ]
    write_rows(raw.path / NAME, rows, _COLUMNS)


def known(raw: Folder) -> dict[str, Known]:
    """The listing beside the rows of 00_raw; empty where none was noted."""
    path = raw.path / NAME
    rows = read_rows([path] if path.exists() else [])
    return {row["name"]: Known(row["size"], row["time"], row["held"]) for row in rows}


def held(raw: Folder, files: Mapping[str, File]) -> dict[str, str]:
    """The digests of the files that are rows' pictures, and of small ones, which are read."""
    found = {
        row["id"]: row["pictures"][0]
        for row in raw.rows()
        if row["id"] in files and len(row["pictures"]) == 1
    }
    small = {
        name: each for name, each in files.items() if name not in found and each.size <= _WORDS
    }
    return found | {name: _digest(each.path) for name, each in small.items()}


def between(before: Mapping[str, Known], now: Mapping[str, File]) -> Changes:
    """What has changed since."""
    both = [name for name in now if name in before]
    return Changes(
        new=[name for name in now if name not in before],
        gone=[name for name in before if name not in now],
        changed=[name for name in both if not _same(before[name], now[name])],
    )


def _same(before: Known, now: File) -> bool:
    if before.size != now.size:
        return False
    return before.time == now.time or (before.held != "" and before.held == _digest(now.path))


def _digest(path: str) -> str:
    """Of a file's bytes; "" where it cannot be read."""
    try:
        return digest(Path(path).read_bytes())
    except OSError:
        return ""
