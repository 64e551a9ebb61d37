"""04_final: the groups and their pictures, in Parquet that `datasets.load_dataset` opens.

A row is one set of pictures with all the groups that hang on it, so that its pictures are stored
once. Everything that training and evaluation read is inside; the folder can be moved anywhere.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from haiga.errors import DataError, StoreError
from haiga.records import Answer, Group, Picture, messages_from
from haiga.store.files import replacing
from haiga.store.folder import begin, finish
from haiga.store.manifest import Manifest, matches, plan, require_manifest
from haiga.store.spool import Spool
from haiga.store.tables import Row, open_parquet, to_table, write_rows

ROWS_PER_FILE: Final = 2048
ROWS_PER_GROUP: Final = 64
BYTES_PER_GROUP: Final = 4 << 20
"""A picture is read with its whole row group: small ones make reading in random order cheap."""

_PART = pa.struct([("type", pa.string()), ("text", pa.string())])
MESSAGE = pa.struct([("role", pa.string()), ("content", pa.list_(_PART))])
_ANSWER = pa.struct(
    [("kind", pa.string()), ("source", pa.string()), ("messages", pa.list_(MESSAGE))]
)
_GROUP = pa.struct(
    [
        ("id", pa.string()),
        ("task", pa.string()),
        ("prompt", pa.list_(MESSAGE)),
        ("answers", pa.list_(_ANSWER)),
    ]
)
IMAGE_FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("images", pa.list_(IMAGE_FILE)),
        ("picture_ids", pa.list_(pa.string())),
        ("cluster", pa.string()),
        ("language", pa.string()),
        ("meta", pa.string()),
        ("groups", pa.list_(_GROUP)),
    ]
)


def _feature(type: pa.DataType) -> dict[str, Any]:
    """A column's type in the words of `datasets.Features`."""
    if type == IMAGE_FILE:
        return {"_type": "Image"}
    if pa.types.is_struct(type):
        return {field.name: _feature(field.type) for field in type}
    if pa.types.is_list(type):
        return {"feature": _feature(type.value_type), "_type": "List"}
    return {"dtype": str(type), "_type": "Value"}


def marked(columns: pa.Schema) -> pa.Schema:
    """The columns with the metadata by which `datasets` knows the pictures among them."""
    features = {field.name: _feature(field.type) for field in columns}
    marks = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    return columns.with_metadata(marks)


SCHEMA: Final = marked(_COLUMNS)
"""The columns of 04_final."""


def write_final(
    folder: Path,
    splits: Mapping[str, Iterable[Group]],
    pictures: Mapping[str, bytes],
    *,
    options: Mapping[str, Any],
    parents: Mapping[str, str],
    dropped: Sequence[Row] = (),
    code: str = "1",
    rebuild: bool = False,
) -> Manifest:
    """Write 04_final: the groups of every split with the pictures that they show.

    Groups with the same pictures, cluster, language and meta share a row; the order is that of
    their first appearance. A picture's size is not kept, only its digest. The manifest counts
    rows.

    Args:
        folder: the stage folder, data/04_final.
        splits: name ("train", "validation", "held_out") -> groups.
        pictures: id -> the file's bytes.
        options: everything that the split depends on, kept in the manifest.
        parents: name of each parent folder -> the fingerprint in its manifest.
        dropped: groups left out, as rows with "id", "reason" and "measurements".
        code: the version of the code that made the splits.
        rebuild: delete a complete folder that was made of something else.

    Raises:
        DriftError: the folder is complete and was made of something else.
        DataError: a group comes twice, or a cluster or a picture is in two splits.
        StoreError: a picture is missing, or the disk is full.
    """
    since = time.monotonic()
    folder = Path(folder)
    wanted = plan("04_final", options, parents, code)
    if matches(folder, wanted, rebuild):
        return require_manifest(folder)
    files = _write_splits(folder, wanted, splits, pictures)
    left_out = folder / "dropped.parquet" if dropped else None
    if left_out is not None:
        write_rows(left_out, dropped)
    seconds = round(time.monotonic() - since, 3)
    return finish(folder, wanted, files, left_out, seconds)


def read_groups(folder: Path, split: str, tasks: Collection[str] | None = None) -> list[Group]:
    """The groups of a split, in order, without their pictures' bytes (see `FinalPictures`).

    Args:
        folder: data/04_final.
        split: such as "train".
        tasks: keep the groups of these tasks only; None keeps all.

    Raises:
        StoreError: the folder is not complete, or has no such split.
    """
    columns = [name for name in SCHEMA.names if name != "images"]
    groups: list[Group] = []
    for path in split_files(folder, split):
        file = open_parquet(path)
        for index in range(file.num_row_groups):
            for row in file.read_row_group(index, columns, use_threads=False).to_pylist():
                groups.extend(_groups(row, tasks))
    return groups


def split_files(folder: Path, split: str) -> list[Path]:
    """The files of one split, in order.

    Raises:
        StoreError: the folder is not complete, or has no such split.
    """
    require_manifest(Path(folder))
    files = sorted(Path(folder).glob("*-of-*.parquet"))
    chosen = [path for path in files if path.name.rsplit("-", 3)[0] == split]
    if not chosen:
        known = sorted({path.name.rsplit("-", 3)[0] for path in files})
        raise StoreError(f"{folder} has no split {split!r}; it has: {', '.join(known) or 'none'}.")
    return chosen


class _Leaks:
    """Nothing that would make a held-out score mean less than it says goes to the disk."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], str] = {}
        self._ids: set[str] = set()

    def none_in(self, name: str, groups: Iterable[Group]) -> Iterator[Group]:
        """The groups of the split `name`, as long as none is in another, too."""
        if not re.fullmatch(r"\w+", name):
            raise DataError(f"{name!r} is not a split's name; use letters, digits and '_' only.")
        for group in groups:
            if group.id in self._ids:
                raise DataError(f"Group {group.id!r} comes twice; each must have an id of its own.")
            self._ids.add(group.id)
            keys = [("picture", picture.id) for picture in group.pictures]
            for key in [*keys, *([("cluster", group.cluster)] if group.cluster else [])]:
                if self._seen.setdefault(key, name) != name:
                    raise DataError(
                        f"The {key[0]} {key[1]!r} is in {self._seen[key]} and in {name} (group "
                        f"{group.id!r}). Split by cluster, and put copies in one cluster."
                    )
            yield group


def _groups(row: Mapping[str, Any], tasks: Collection[str] | None) -> Iterator[Group]:
    meta = json.loads(row["meta"])
    pictures = tuple(Picture(id) for id in row["picture_ids"])
    for group in row["groups"]:
        if tasks is not None and group["task"] not in tasks:
            continue
        answers = tuple(
            Answer(messages_from(each["messages"]), each["kind"], each["source"])
            for each in group["answers"]
        )
        yield Group(
            id=group["id"],
            prompt=messages_from(group["prompt"]),
            answers=answers,
            pictures=pictures,
            task=group["task"],
            language=row["language"],
            cluster=row["cluster"],
            meta=meta,
        )


def _write_splits(
    folder: Path,
    wanted: Mapping[str, Any],
    splits: Mapping[str, Iterable[Group]],
    pictures: Mapping[str, bytes],
) -> list[Path]:
    """All files, after all groups were looked at; until then what is there stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder.parent) as file:
        leaks = _Leaks()
        rows = {name: Spool(file, leaks.none_in(name, each)) for name, each in splits.items()}
        begin(folder, wanted)
        return [
            path
            for name, each in rows.items()
            for path in _write_split(folder, name, each, pictures)
        ]


def _write_split(
    folder: Path, name: str, rows: Sequence[Row], pictures: Mapping[str, bytes]
) -> list[Path]:
    # A split without rows still gets a file: that it is empty is not that it is missing.
    starts = range(0, max(len(rows), 1), ROWS_PER_FILE)
    paths = [folder / f"{name}-{at:05d}-of-{len(starts):05d}.parquet" for at in range(len(starts))]
    for path, start in zip(paths, starts, strict=True):
        _write_file(path, rows[start : start + ROWS_PER_FILE], pictures)
    return paths


def _write_file(path: Path, rows: Sequence[Row], pictures: Mapping[str, bytes]) -> None:
    """One file of a split, a row group at a time, so that few pictures are in memory."""
    with (
        replacing(path) as file,
        pq.ParquetWriter(file, SCHEMA, compression="zstd", use_dictionary=False) as writer,
    ):
        for chunk in _chunks(rows, pictures):
            writer.write_table(to_table(chunk, path, SCHEMA), row_group_size=ROWS_PER_GROUP)


def _chunks(rows: Sequence[Row], pictures: Mapping[str, bytes]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for row in rows:
        data = [_bytes(pictures, id, row) for id in row["picture_ids"]]
        added = sum(len(each) for each in data)
        if chunk and (len(chunk) == ROWS_PER_GROUP or size + added > BYTES_PER_GROUP):
            yield chunk
            chunk, size = [], 0
        chunk.append({**row, "images": [{"bytes": each, "path": None} for each in data]})
        size += added
    if chunk:
        yield chunk


def _bytes(pictures: Mapping[str, bytes], id: str, row: Row) -> bytes:
    try:
        return pictures[id]
    except KeyError as error:
        names = ", ".join(group["id"] for group in row["groups"])
        raise StoreError(f"Picture {id} of group {names} is missing; gather it again.") from error
