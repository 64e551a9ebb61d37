"""One stage folder: shards written one at a time, the manifest last.

    data/01_filtered/
        plan.json            what is being made; only while it is being made
        shards/00000.parquet the rows that stay
        dropped/00000.parquet the rows that do not; only while it is being made
        dropped.parquet      all of them, at the end
        manifest.json        written last: the folder is complete

A run that was stopped goes on with the first shard that is not there.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from haiga.errors import StoreError
from haiga.store.files import read_json, sweep, write_json, write_table
from haiga.store.manifest import Manifest, matches, plan, read_manifest, require_manifest
from haiga.store.rows import Rows
from haiga.store.tables import Row, open_parquet, read_rows, unify, write_rows


class Folder:
    """One stage folder, such as data/01_filtered.

    With `rebuild`, it may be deleted and made anew where it was made of something else than is
    asked for; without, that is a DriftError.
    """

    only_seen = False
    """Whether whoever has it looks at it and writes nothing."""

    def __init__(self, path: Path, *, rebuild: bool = False) -> None:
        self.path = Path(path)
        self.rebuild = rebuild

    def manifest(self) -> Manifest | None:
        """Its manifest, or None where it is not complete."""
        return read_manifest(self.path)

    def fingerprint(self) -> str:
        """The fingerprint in its manifest, by which the folders made from it know their parent.

        Raises:
            StoreError: the folder is not complete.
        """
        return require_manifest(self.path).fingerprint

    def is_complete(
        self,
        stage: str,
        options: Mapping[str, Any],
        parents: Mapping[str, str],
        *,
        code: str = "1",
    ) -> bool:
        """Whether it is complete and was made of exactly this.

        Args:
            stage: the stage's name.
            options: everything that its rows depend on.
            parents: name of each parent folder -> the fingerprint in its manifest.
            code: the version of the stage's code, such as "filter/1".

        Raises:
            DriftError: it is complete and was made of something else; names what changed. With
                `rebuild` the answer is False instead.
        """
        return matches(self.path, plan(stage, options, parents, code), self.rebuild)

    def writer(
        self,
        stage: str,
        options: Mapping[str, Any],
        parents: Mapping[str, str],
        schema: pa.Schema | None = None,
        *,
        code: str = "1",
    ) -> Writer:
        """A context manager that writes the folder; see `is_complete` for the arguments.

        Shards of an interrupted run of the same plan are kept, those of another are deleted. A
        complete folder of another plan is deleted only with `rebuild`.

        Raises:
            DriftError: it is complete and was made of something else.
        """
        wanted = plan(stage, options, parents, code)
        complete = matches(self.path, wanted, self.rebuild)
        return Writer(self.path, wanted, schema, complete)

    def rows(self) -> Rows:
        """The rows that were kept, in order, read from disk as they are asked for.

        Raises:
            StoreError: the folder is not complete, or a shard of it is gone.
        """
        kept = require_manifest(self.path).counts["kept"]
        paths = _shards(self.path / "shards")
        rows = Rows(paths)
        if len(rows) != kept:
            raise StoreError(
                f"{self.path} is damaged: its manifest counts {kept} rows and its shards hold "
                f"{len(rows)}. Delete its manifest.json and run the stage again."
            )
        return rows

    def forget(self) -> None:
        """Take its manifest away, so that it is made again; what it holds stays until then."""
        (self.path / "manifest.json").unlink(missing_ok=True)

    def dropped(self) -> Iterator[dict[str, Any]]:
        """The rows that were not kept, in order, each with its "id" and "reason".

        Raises:
            StoreError: the folder is not complete.
        """
        require_manifest(self.path)
        path = self.path / "dropped.parquet"
        return read_rows([path] if path.exists() else [])


class Writer:
    """Writes the shards of one folder; the manifest follows when the block ends well."""

    def __init__(
        self, path: Path, wanted: Mapping[str, Any], schema: pa.Schema | None, complete: bool
    ) -> None:
        self._path, self._plan, self._complete = path, wanted, complete
        self._given = schema
        self._schemas: dict[str, pa.Schema] = {}
        self._seconds = self._since = 0.0

    def __enter__(self) -> Writer:
        self._since = time.monotonic()
        if self._complete:
            return self
        self._seconds = begin(self._path, self._plan)
        for name in ("shards", "dropped"):
            files = _shards(self._path / name)
            schemas = [open_parquet(path).schema_arrow for path in files]
            self._schemas[name] = unify(schemas, self._path / name) if schemas else pa.schema([])
        return self

    def has(self, shard: int) -> bool:
        """Whether shard number `shard` is written."""
        # The dropped rows of a shard are written before its kept ones, so these say it all.
        return _shard(self._path / "shards", shard).exists()

    def write(self, shard: int, kept: Sequence[Row], dropped: Sequence[Row] = ()) -> None:
        """Write one shard: the rows that stay and those that do not.

        Args:
            shard: its number; when the block ends they must be 0, 1, 2, … without a gap.
            kept: plain dicts, see `tables.to_table`.
            dropped: the same, each with "id" and "reason", and "measurements" as JSON text.

        Raises:
            StoreError: the rows cannot be stored, the disk is full, or the folder is complete.
        """
        if self._complete:
            raise StoreError(f"{self._path} is complete; its shards cannot be written again.")
        for row in dropped:
            if not isinstance(row.get("reason"), str) or not isinstance(row.get("id"), str):
                raise StoreError(f"{self._path}: a dropped row needs 'id' and 'reason', as text.")
        stale = _shard(self._path / "dropped", shard)
        stale.unlink(missing_ok=True)
        if dropped:
            self._write("dropped", shard, dropped, None)
        self._write("shards", shard, kept, self._given)
        self.keep_time()

    def keep_time(self) -> None:
        """Note the time spent so far, of which a kill takes what is not noted; a shard notes it."""
        write_json(self._path / "plan.json", {**self._plan, "seconds": self._elapsed()})

    def _write(self, name: str, shard: int, rows: Sequence[Row], schema: pa.Schema | None) -> None:
        path = _shard(self._path / name, shard)
        written = write_rows(path, rows, schema)
        try:
            self._schemas[name] = unify([self._schemas[name], written], path)
        except StoreError:
            path.unlink()
            raise

    def _elapsed(self) -> float:
        return round(self._seconds + time.monotonic() - self._since, 3)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None or self._complete:
            return
        shards = _shards(self._path / "shards")
        missing = set(range(len(shards))) - {int(path.stem) for path in shards}
        if missing:
            raise StoreError(
                f"{self._path}: shard {min(missing)} was not written, and later ones were. The "
                "folder stays without a manifest."
            )
        dropped = self._merge_dropped()
        finish(self._path, self._plan, shards, dropped, self._elapsed())

    def _merge_dropped(self) -> Path | None:
        """One dropped.parquet out of the dropped shards, or None where nothing was dropped."""
        paths = _shards(self._path / "dropped")
        merged = self._path / "dropped.parquet"
        if not paths:
            merged.unlink(missing_ok=True)
            return None
        tables = [open_parquet(path).read(use_threads=False) for path in paths]
        write_table(merged, pa.concat_tables(tables, promote_options="permissive"))
        return merged


def begin(path: Path, wanted: Mapping[str, Any]) -> float:
    """Make a folder ready for the shards of a plan; returns the seconds spent on it before.

    What another plan left is deleted: data files only, and pictures stay, since they are named
    by what they hold.
    """
    for each in (path, path / "shards", path / "dropped"):
        sweep(each)
    before = read_json(path / "plan.json") if not (path / "manifest.json").exists() else None
    if before is not None and before.get("fingerprint") == wanted["fingerprint"]:
        return float(before["seconds"])
    # The manifest goes first: a folder that is being emptied must not look complete.
    for name in ("manifest.json", "plan.json", "dropped.parquet"):
        (path / name).unlink(missing_ok=True)
    for file in [
        *_shards(path / "shards"),
        *_shards(path / "dropped"),
        *path.glob("*-of-*.parquet"),
    ]:
        file.unlink()
    write_json(path / "plan.json", {**wanted, "seconds": 0.0})
    return 0.0


def finish(
    path: Path,
    wanted: Mapping[str, Any],
    kept: Sequence[Path],
    dropped: Path | None,
    seconds: float,
    notes: Sequence[str] = (),
) -> Manifest:
    """Count what is in the files, write the manifest, and clear away what led to it.

    Counts come from the files, not from memory, so that a resumed run counts like any other.
    """
    count = sum(open_parquet(file).metadata.num_rows for file in kept)
    reasons = Counter(_values([dropped] if dropped else [], "reason"))
    quality = [float(each) for each in _values(kept, "quality") if each is not None]
    manifest = Manifest(
        **wanted,
        counts={"in": count + reasons.total(), "kept": count, "dropped": reasons.total()},
        reasons=dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
        quality=sum(quality) / len(quality) if quality else None,
        seconds=seconds,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=tuple(notes),
    )
    write_json(path / "manifest.json", manifest)
    for file in [*_shards(path / "dropped"), path / "plan.json"]:
        file.unlink(missing_ok=True)
    if (path / "dropped").is_dir():
        (path / "dropped").rmdir()
    return manifest


def _values(paths: Sequence[Path], column: str) -> Iterator[Any]:
    for path in paths:
        file = open_parquet(path)
        if column in file.schema_arrow.names:
            yield from file.read([column], use_threads=False)[column].to_pylist()


def _shard(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.parquet"


def _shards(folder: Path) -> list[Path]:
    """The finished shards in a folder, in the order of their numbers."""
    return sorted(
        (p for p in folder.glob("*.parquet") if p.stem.isdigit()), key=lambda p: int(p.stem)
    )
