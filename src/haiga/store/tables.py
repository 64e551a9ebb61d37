"""Rows as Arrow tables: plain dicts in, the same plain dicts out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from haiga.errors import StoreError
from haiga.store.files import write_table

Row = Mapping[str, Any]


def to_table(rows: Sequence[Row], where: Path, schema: pa.Schema | None = None) -> pa.Table:
    """Rows as a table; a key that a row lacks reads as None.

    Args:
        rows: dicts with the same kind of value under the same key. A dict inside must have the
            same keys in every row: one whose keys vary is passed as JSON text.
        where: the file that they are for, named in faults.
        schema: the columns; without one they are inferred.

    Raises:
        StoreError: the rows do not fit in one table; names the column.
    """
    # Arrow takes the columns from the first row alone, and would silently lose those of the others.
    names = list(dict.fromkeys(key for row in rows for key in row))
    if rows and not names:
        raise StoreError(f"{where}: rows without any column cannot be stored.")
    if schema is not None:
        unknown = [name for name in names if name not in schema.names]
        if unknown:
            raise StoreError(
                f"{where}: the schema has no column {unknown[0]!r} that the rows have."
            )
        names = schema.names
    columns = [
        _column(rows, name, where, None if schema is None else schema.field(name).type)
        for name in names
    ]
    if schema is not None:
        return pa.Table.from_arrays(columns, schema=schema)
    return pa.Table.from_arrays(columns, names=names)


def _column(rows: Sequence[Row], name: str, where: Path, type: pa.DataType | None) -> pa.Array:
    try:
        column = pa.array([row.get(name) for row in rows], type=type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise StoreError(
            f"{where}: column {name!r} cannot be stored ({error}). All its values must be of one "
            "kind; pass a dict whose keys vary as JSON text."
        ) from error
    if _has_empty_struct(column.type):
        raise StoreError(
            f"{where}: column {name!r} holds a dict without keys, which Parquet cannot store. "
            "Pass a dict whose keys vary as JSON text."
        )
    return column


def _has_empty_struct(type: pa.DataType) -> bool:
    if pa.types.is_struct(type):
        return type.num_fields == 0 or any(_has_empty_struct(field.type) for field in type)
    return pa.types.is_list(type) and _has_empty_struct(type.value_type)


def unify(schemas: Sequence[pa.Schema], where: Path) -> pa.Schema:
    """The one schema of all the files of a folder.

    Raises:
        StoreError: a column is of one kind in one file and of another kind in another.
    """
    try:
        return pa.unify_schemas(list(schemas), promote_options="permissive")
    except pa.ArrowException as error:
        raise StoreError(
            f"{where}: its columns do not agree with those of the shards before it ({error}). "
            "A column must hold one kind of value in all shards; give the writer a schema."
        ) from error


def write_rows(path: Path, rows: Sequence[Row], schema: pa.Schema | None = None) -> pa.Schema:
    """Write rows as one Parquet file, atomically; returns their schema."""
    table = to_table(rows, path, schema)
    write_table(path, table)
    return table.schema


def read_rows(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """The rows of Parquet files, in order, every row with the columns of all the files."""
    files = [open_parquet(path) for path in paths]
    names = list(dict.fromkeys(name for file in files for name in file.schema_arrow.names))
    for file in files:
        for index in range(file.num_row_groups):
            for row in file.read_row_group(index, use_threads=False).to_pylist():
                yield {name: row.get(name) for name in names}


def open_parquet(path: Path, metadata: pq.FileMetaData | None = None) -> pq.ParquetFile:
    """A Parquet file, for reading.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    try:
        return pq.ParquetFile(path, metadata=metadata)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(
            f"{path} cannot be read ({error}). Delete its folder's manifest.json and run the stage "
            "that makes it again."
        ) from error
