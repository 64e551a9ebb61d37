"""Documents read, their pictures assigned to their texts, and written for sources to read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from haiga.curation.embeddings import Encoder
from haiga.curation.interleave import METHODS, How, Tally, assigned
from haiga.errors import RecipeError
from haiga.pipeline.run import checkpoint
from haiga.recipe.names import did_you_mean, listed
from haiga.sources.interleaved import FORMS
from haiga.sources.rows import rows_of
from haiga.store.files import replacing, write_json
from haiga.store.tables import to_table

FILES: Final = {"obelics": "documents.parquet", "mmc4": "documents.jsonl"}
_ROWS: Final = 256
_SCHEMA: Final = pa.schema(
    [
        ("images", pa.list_(pa.string())),
        ("texts", pa.list_(pa.string())),
        ("metadata", pa.string()),
        ("general_metadata", pa.string()),
    ]
)


def assign(data: str, folder: Path, tower: str, how: How) -> tuple[Path, Tally]:
    """Write the documents behind `data` into `folder`; returns the file, and what became of them.

    Pictures are kept in `folder`/fetched and vectors in `folder`/features: the same command goes on
    where it was stopped without asking for either again. How it was done is in `assigned.json`.

    Raises:
        RecipeError: there is no such form, method or tower.
        DataError: the documents cannot be read.
        ModelError: the tower cannot be read.
    """
    for what, name, table in (
        ("form", how.form, FORMS),
        ("form", how.to, FORMS),
        ("method", how.method, METHODS),
    ):
        if name not in table:
            near = did_you_mean(name, table)
            raise RecipeError(f"There is no {what} {name!r}{near}; there are: {listed(table)}.")
    encoder = Encoder(tower, checkpoint(tower), folder / "features")
    tally, path = Tally(), folder / FILES[how.to]
    documents = assigned(rows_of(data), encoder, how, tally)
    (_write_parquet if how.to == "obelics" else _write_lines)(path, documents)
    made = {"method": how.method, "minimum": how.minimum, "from": how.form, "to": how.to}
    write_json(folder / "assigned.json", {**made, "encoder": encoder.facts, **asdict(tally)})
    return path, tally


def _write_lines(path: Path, documents: Iterator[Mapping[str, Any]]) -> None:
    with replacing(path) as file:
        for each in documents:
            file.write(json.dumps(each, ensure_ascii=False).encode() + b"\n")


def _write_parquet(path: Path, documents: Iterator[Mapping[str, Any]]) -> None:
    with replacing(path) as file, pq.ParquetWriter(file, _SCHEMA, compression="zstd") as writer:
        chunk: list[Mapping[str, Any]] = []
        for each in documents:
            chunk.append(each)
            if len(chunk) == _ROWS:
                writer.write_table(to_table(chunk, path, _SCHEMA))
                chunk = []
        writer.write_table(to_table(chunk, path, _SCHEMA))
