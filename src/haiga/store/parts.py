"""Values by id in numbered files, read as they are asked for: what was measured of many pictures.

    data/measurements/pictures-2/
        00000.parquet        "id" and "values", JSON text
        00001.parquet        …

A file is written once and never again. In memory are the ids (36 bytes each) and the files that
were read last; values are read with their file.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from haiga.store.files import sweep
from haiga.store.tables import open_parquet, write_rows

KEPT_FILES: Final = 8
_ID = "S32"
"""A picture's id, 32 hex digits."""
_COLUMNS = pa.schema([("id", pa.string()), ("values", pa.string())])


class Parts(Mapping[str, Any]):
    """The values in the numbered files of `folder`, by id; new files are seen after `refresh`."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self._recent: OrderedDict[int, dict[str, str]] = OrderedDict()
        self.refresh()

    def refresh(self) -> None:
        """Look again at what files there are, and clear away what a killed writer left."""
        sweep(self._folder)
        self._paths = sorted(
            (path for path in self._folder.glob("*.parquet") if path.stem.isdigit()),
            key=lambda path: int(path.stem),
        )
        ids = [packed(_column(path, "id")) for path in self._paths]
        files = np.repeat(np.arange(len(ids), dtype=np.int32), [len(each) for each in ids])
        together = np.concatenate([packed(()), *ids])
        order = np.argsort(together, kind="stable")
        self._ids, self._files = together[order], files[order]
        self._recent.clear()

    def path(self, number: int) -> Path:
        """The file of this number, whether it is there or not."""
        return self._folder / f"{number:05d}.parquet"

    def next_number(self) -> int:
        """The number after that of the last file."""
        return int(self._paths[-1].stem) + 1 if self._paths else 0

    def parted(self, ids: NDArray[np.bytes_]) -> tuple[NDArray[np.bytes_], NDArray[np.bytes_]]:
        """Those of `ids` (N,) that there are values of and those that there are not.

        Each id once, in their order.
        """
        _, first = np.unique(ids, return_index=True)
        wanted = ids[np.sort(first)]
        known = np.isin(wanted, self._ids)
        return wanted[known], wanted[~known]

    def __getitem__(self, id: str) -> Any:
        # Whoever asks goes through the pictures mostly as they were measured.
        for file in reversed(self._recent.values()):
            if id in file:
                return json.loads(file[id])
        at = int(np.searchsorted(self._ids, id.encode()))
        if at == len(self._ids) or self._ids[at] != id.encode():
            raise KeyError(id)
        return json.loads(self._opened(int(self._files[at]))[id])

    def _opened(self, file: int) -> dict[str, str]:
        if file not in self._recent:
            path = self._paths[file]
            self._recent[file] = dict(
                zip(_column(path, "id"), _column(path, "values"), strict=True)
            )
            if len(self._recent) > KEPT_FILES:
                self._recent.popitem(last=False)
        return self._recent[file]

    def __iter__(self) -> Iterator[str]:
        return (id.decode() for id in self._ids)

    def __len__(self) -> int:
        return len(self._ids)


def write_part(path: Path, values: Mapping[str, Any]) -> None:
    """Write one file of values by id, atomically.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.
    """
    rows = [
        {"id": id, "values": json.dumps(each, ensure_ascii=False)} for id, each in values.items()
    ]
    write_rows(path, rows, _COLUMNS)


def packed(ids: Iterable[str]) -> NDArray[np.bytes_]:
    """Ids of at most 32 ASCII characters, side by side: (N,)."""
    return np.fromiter(ids, dtype=_ID)


def _column(path: Path, name: str) -> list[str]:
    return open_parquet(path).read([name], use_threads=False)[name].to_pylist()
