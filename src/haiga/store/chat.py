"""Rows of chat for others, in Parquet that `datasets` opens with its pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from haiga.store.files import replacing
from haiga.store.final import IMAGE_FILE, MESSAGE, ROWS_PER_GROUP, marked
from haiga.store.tables import Row, to_table


def write_chat(path: Path, rows: Iterable[Row], columns: Sequence[str]) -> int:
    """Write rows of pictures and turns; returns how many there were. No file where there are none.

    Args:
        path: of the file.
        rows: each with "id", "task", "images" and the `columns`.
        columns: those that hold turns: "messages", or "prompt", "chosen" and "rejected".
    """
    left = iter(rows)
    chunk = _some(left)
    if not chunk:
        return 0
    fields = [("id", pa.string()), ("task", pa.string()), ("images", pa.list_(IMAGE_FILE))]
    fields += [(name, pa.list_(MESSAGE)) for name in columns]
    schema, count = marked(pa.schema(fields)), 0
    with replacing(path) as file, pq.ParquetWriter(file, schema) as writer:
        while chunk:
            writer.write_table(to_table(chunk, path, schema))
            count += len(chunk)
            chunk = _some(left)
    return count


def _some(rows: Iterator[Row]) -> list[Row]:
    return list(islice(rows, ROWS_PER_GROUP))
