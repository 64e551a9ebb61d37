"""The picture-feature cache: what a frozen tower says of a picture is computed once, and kept.

A cache is a folder named after its key (`cache_key`: tower weights and preprocessing):

    shape.json     {"shape": [T, D], "dtype": "bfloat16"}, written once, atomically
    features.bin   one picture after another, T * D numbers each
    ids.txt        their ids, one a line; a picture counts once its line is complete

Both are only appended to, the numbers before the ids, so that kill -9 loses at most the batch in
flight: what is left over is cut off by the next append.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from haiga.errors import DataError, StoreError
from haiga.models.designs import seeing
from haiga.models.embeddings import base_of
from haiga.models.pictures import open_picture
from haiga.store import digest, fingerprint, write_atomically

Encode: TypeAlias = Callable[[list[Image.Image]], Float[Tensor, "P T D"]]

_STORAGE = {"float32": np.float32, "float16": np.float16, "bfloat16": np.int16}
"""numpy has no bfloat16: its bits are kept as integers."""
_VOLATILE = {"transformers_version", "architectures", "dtype", "torch_dtype", "processor_class"}
"""Configuration that says nothing about what is computed."""


class Features:
    """The cached features of one tower with one preprocessing. Several processes may fill it."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = Path(folder) / key
        self._rows: dict[str, int] = {}
        self._numbers: np.ndarray | None = None
        self._shape: tuple[int, int] = (0, 0)
        self._dtype = torch.float32
        self._size = 0
        """Bytes of `ids.txt` that have been read."""
        self._refresh()

    @classmethod
    def open(cls, folder: Path, key: str) -> Features:
        """The cache of `key` under `folder`; empty where there is none yet."""
        return cls(folder, key)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, id: object) -> bool:
        return id in self._rows

    def ensure(
        self,
        picture_ids: Iterable[str],
        pictures: Mapping[str, bytes],
        encode: Encode,
        batch: int = 32,
    ) -> int:
        """Encode the pictures that the cache lacks, `batch` at a time; returns how many.

        An id that comes twice is encoded once. Raises DataError for an id that `pictures` lacks,
        PictureError for a file that cannot be read, StoreError for features of another shape.
        """
        return self.fill(
            picture_ids, lambda ids: encode([_open(pictures, id) for id in ids]), batch
        )

    def fill(
        self,
        ids: Iterable[str],
        make: Callable[[list[str]], Float[Tensor, "P T D"]],
        batch: int = 32,
    ) -> int:
        """Make what the cache lacks by ids alone, as `ensure` does; returns how many."""
        missing = [id for id in dict.fromkeys(ids) if id not in self]
        made = 0
        for start in range(0, len(missing), batch):
            with _locked(self.folder):
                self._refresh()
                chosen = [id for id in missing[start : start + batch] if id not in self]
                if chosen:
                    self._append(chosen, make(chosen))
                made += len(chosen)
        return made

    def get(self, ids: Sequence[str]) -> Float[Tensor, "P T D"]:
        """Features of `ids` in order, in the dtype in which they were stored.

        Only these rows are read from the disk. Raises StoreError for a picture not cached.
        """
        absent = next((id for id in ids if id not in self), None)
        if absent is not None:
            raise StoreError(
                f"The picture cache {self.folder} has no features of {absent}. "
                "Call ensure with this picture first."
            )
        if not ids or self._numbers is None:
            return torch.zeros(0, *self._shape, dtype=self._dtype)
        rows = self._numbers[[self._rows[id] for id in ids]]
        return torch.from_numpy(rows).view(self._dtype)

    def _append(self, ids: list[str], features: Float[Tensor, "P T D"]) -> None:
        features = features.detach().cpu().contiguous()
        shape, name = tuple(features.shape[1:]), str(features.dtype).removeprefix("torch.")
        if len(features) != len(ids) or name not in _STORAGE:
            raise StoreError(
                f"The encoder gave {tuple(features.shape)} of {name} for {len(ids)} pictures; "
                f"the cache takes one [T, D] for each, of {', '.join(_STORAGE)}."
            )
        if not (self.folder / "shape.json").exists():
            stated = {"shape": shape, "dtype": name}
            write_atomically(self.folder / "shape.json", json.dumps(stated).encode())
            self._refresh()
        if (shape, features.dtype) != (self._shape, self._dtype):
            raise StoreError(
                f"The picture cache {self.folder} holds {self._shape} of {self._dtype} for each "
                f"picture and got {shape} of {features.dtype}. Delete the folder to start again."
            )
        kept = len(self._rows)
        storage = torch.int16 if features.dtype == torch.bfloat16 else features.dtype
        numbers = features.view(storage).numpy().tobytes()
        _write_after(self.folder / "features.bin", kept * self._row_bytes, numbers)
        lines = "".join(id + "\n" for id in ids).encode()
        _write_after(self.folder / "ids.txt", self._size, lines)
        self._refresh()

    @property
    def _row_bytes(self) -> int:
        return self._shape[0] * self._shape[1] * self._dtype.itemsize

    def _refresh(self) -> None:
        """Read what is complete on the disk, also what another process has added."""
        stated, ids, data = (self.folder / n for n in ("shape.json", "ids.txt", "features.bin"))
        if not stated.exists():
            return
        read = json.loads(stated.read_text())
        self._shape = (read["shape"][0], read["shape"][1])
        self._dtype = getattr(torch, read["dtype"])
        if not (ids.exists() and data.exists()):
            return
        with ids.open("rb") as file:
            file.seek(self._size)
            lines = file.read().split(b"\n")[:-1]
        room = data.stat().st_size // self._row_bytes - len(self._rows)
        for line in lines[: max(0, room)]:
            self._rows[line.decode()] = len(self._rows)
            self._size += len(line) + 1
        if count := len(self._rows):
            self._numbers = np.memmap(
                data, _STORAGE[read["dtype"]], mode="r", shape=(count, *self._shape)
            )


def cache_key(vlm: Any) -> str:
    """Digest of all that decides a picture's features: tower weights, their use, preprocessing.

    `vlm` has a `model` and a `processor`. Neither the bridge nor the language model changes it.
    """
    base = base_of(vlm.model)
    design = seeing(base)
    sees = dict(design.sees(base.config))
    return fingerprint(
        {
            "weights": digests(design.tower(base).state_dict()),
            **sees,
            "tower": lasting(sees["tower"].to_dict()),
            "preprocessing": lasting(vlm.processor.image_processor.to_dict()),
        }
    )


def _open(pictures: Mapping[str, bytes], id: str) -> Image.Image:
    try:
        data = pictures[id]
    except KeyError as fault:
        raise DataError(f"No picture has the id {id}. Gather the pictures again.") from fault
    return open_picture(data, name=f"Picture {id}")


def digests(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Name -> dtype, shape and digest of each of a model's weights, for a key."""
    return {
        name: [str(weight.dtype), list(weight.shape), digest(_bytes(weight))]
        for name, weight in weights.items()
    }


def _bytes(weight: Tensor) -> bytes:
    return weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def lasting(config: Mapping[str, Any]) -> dict[str, str]:
    """What of a configuration decides what is computed, for a key."""
    return {
        key: repr(value)
        for key, value in config.items()
        if key not in _VOLATILE and not key.startswith("_")
    }


def _write_after(path: Path, size: int, data: bytes) -> None:
    """Cut `path` to its first `size` bytes, append `data`, and wait until it is on the disk."""
    with path.open("ab") as file:
        file.truncate(size)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time; the lock of a killed process is released by the system."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
