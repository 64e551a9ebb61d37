"""The pictures inside 04_final, read as they are asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from haiga.errors import StoreError
from haiga.store.manifest import require_manifest
from haiga.store.pictures import MissingPictureError
from haiga.store.tables import open_parquet

KEPT_ROW_GROUPS: Final = 4


class _Place(NamedTuple):
    """Where a picture is: file, row group, row in it, and place in that row."""

    file: str
    row_group: int
    row: int
    image: int


class FinalPictures(Mapping[str, bytes]):
    """The pictures embedded in the Parquet files of `folder` (data/04_final), by id.

    Only the ids are read at first. A picture is read with its row group, and the last few row
    groups stay in memory. No file is kept open between two pictures, so that it can be handed to
    other processes, forked or spawned, and used from several threads.

    Raises:
        StoreError: the folder is not complete.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        require_manifest(self._folder)
        self._metadata: dict[str, Any] = {}
        self._places: dict[str, _Place] = {}
        for path in sorted(self._folder.glob("*-of-*.parquet")):
            self._index(path)
        self._recent: OrderedDict[tuple[str, int], list[list[bytes]]] = OrderedDict()
        self._lock = threading.Lock()

    def _index(self, path: Path) -> None:
        file = open_parquet(path)
        self._metadata[path.name] = file.metadata
        for group in range(file.num_row_groups):
            column = file.read_row_group(group, ["picture_ids"], use_threads=False)["picture_ids"]
            for row, ids in enumerate(column.to_pylist()):
                for image, id in enumerate(ids):
                    self._places.setdefault(id, _Place(path.name, group, row, image))

    def __getitem__(self, id: str) -> bytes:
        if id not in self._places:
            raise MissingPictureError(f"There is no picture {id} in {self._folder}.")
        place = self._places[id]
        return self._row_group(place.file, place.row_group)[place.row][place.image]

    def _row_group(self, file: str, index: int) -> list[list[bytes]]:
        key = (file, index)
        with self._lock:
            if key in self._recent:
                self._recent.move_to_end(key)
                return self._recent[key]
        rows = self._read(file, index)
        with self._lock:
            self._recent[key] = rows
            while len(self._recent) > KEPT_ROW_GROUPS:
                self._recent.popitem(last=False)
        return rows

    def _read(self, file: str, index: int) -> list[list[bytes]]:
        path = self._folder / file
        parquet = open_parquet(path, self._metadata[file])
        try:
            table = parquet.read_row_group(index, ["images"], use_threads=False)
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error}. Copy the folder again.") from error
        finally:
            parquet.close()
        return [[image["bytes"] for image in images] for images in table["images"].to_pylist()]

    def __contains__(self, id: object) -> bool:
        return id in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_recent": OrderedDict()}
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())
