"""Where the rows of a benchmark lie: files here, or a set on the hub at a pinned revision."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from haiga.errors import DataError
from haiga.evaluation.benchmarks.base import Places
from haiga.recipe.names import listed
from haiga.sources.hub import from_hub
from haiga.sources.rows import names_of, paths_of, read_table

_NAME: Final = re.compile(r"(?P<name>[\w-][\w.-]*/[\w-][\w.-]*)@(?P<revision>\w+)")
_UNPINNED: Final = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w./-]*)?")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_WRAPPED: Final = "questions"
"""SEED-Bench's JSON is no list but an object that holds one under this key."""


class Where(NamedTuple):
    """The rows, what they are called in a result, and the folder that their pictures lie in."""

    rows: Places
    data: str
    root: Path | None


def where(path: str, *, split: str = "", config: str = "", pictures: str = "") -> Where:
    """The rows that `path` names.

    `path` is a file, a folder, a pattern of files, or a name on the hub at a commit
    ("lmms-lab/POPE@<40 hex digits>"). Of a folder's files, `split` takes those whose names begin
    with it; on the hub, it is the split's name. `pictures` is the folder of the pictures that rows
    name by their files.

    Raises:
        DataError: there is nothing, or a name on the hub without its commit.
    """
    root = Path(pictures) if pictures else None
    if root is not None and not root.is_dir():
        raise DataError(f"There is no folder of pictures {root}. Check the benchmark's `pictures`.")
    on_disk = Path(path).exists() or any(mark in path for mark in "*?[") or Path(path).is_absolute()
    if on_disk or not _UNPINNED.fullmatch(path):
        files = _of_split(paths_of(path), split)
        return Where(_local(files), _called(files), root)
    named = _NAME.fullmatch(path)
    if named is None or not _COMMIT.fullmatch(named["revision"]):
        raise DataError(
            f"There is no file {path}. If it is a name on the hub, pin it to a commit, so that the "
            f"score names what it was measured on: {path.split('@')[0]}@<40 hex digits>."
        )
    if not split:
        raise DataError(f"{path} is on the hub; say which split of it is asked.")
    rows = from_hub(named["name"], named["revision"], split, 0, config=config or None)
    return Where(rows, f"{path}{f' {config}' if config else ''}:{split}", root)


def _of_split(files: list[Path], split: str) -> list[Path]:
    found = [each for each in files if re.match(rf"{re.escape(split)}(?![a-z])", each.name)]
    if split and not found:
        raise DataError(
            f"No file is called after the split {split!r}; there are: "
            f"{listed(each.name for each in files)}."
        )
    return found if split else files


def _called(files: list[Path]) -> str:
    """The files' own names, without the folders of this machine."""
    return ", ".join(names_of(files))


def _local(files: list[Path]) -> Places:
    for path, name in zip(files, names_of(files), strict=True):
        wrapped = _wrapped(path)
        for number, row in enumerate(read_table(path) if wrapped is None else wrapped, 1):
            yield f"{name}:{number}", row


def _wrapped(path: Path) -> Iterator[dict[str, Any]] | None:
    """The rows under "questions" in a JSON object; None where the file is no such object."""
    if path.suffix.lower() != ".json":
        return None
    with path.open(encoding="utf-8-sig") as file:
        if not file.read(4096).lstrip().startswith("{"):
            return None
        file.seek(0)
        try:
            held = json.load(file)
        except ValueError:
            return None  # a row on each line
    rows = held.get(_WRAPPED) if isinstance(held, dict) else None
    return iter(rows) if isinstance(rows, list) else None
