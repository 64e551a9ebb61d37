"""Picture files by the digest of their bytes, each stored once."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from haiga.errors import StoreError
from haiga.store.files import digest, sweep, write_all

_ID = re.compile(r"[0-9a-f]{32}")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


class MissingPictureError(StoreError, KeyError):
    """A picture that a row names and no file holds. A KeyError too, as a Mapping must raise."""

    __str__ = Exception.__str__  # KeyError would print its argument's repr


class PictureFiles(Mapping[str, bytes]):
    """The pictures under `folder`/pictures/ab/<id><suffix>, where ab are the id's first digits."""

    def __init__(self, folder: Path) -> None:
        self._root = Path(folder) / "pictures"
        self._suffixes: dict[str, dict[str, str]] = {}

    def add(self, data: bytes, suffix: str) -> str:
        """Store `data` once and return its id; the first suffix given stays.

        Args:
            data: the file's bytes, as they are.
            suffix: with its dot, ".jpg".

        Raises:
            StoreError: the suffix is none, or the file cannot be written.
        """
        return self.add_all([(data, suffix)])[0]

    def add_all(self, pictures: Iterable[tuple[bytes, str]]) -> list[str]:
        """Store several pictures, as `add` does, and return their ids in order.

        They are written side by side: a disk makes many files safe in the time of one.

        Raises:
            StoreError: as `add`; those before the first that fails are stored.
        """
        ids = []
        new: dict[Path, bytes] = {}
        for data, suffix in pictures:
            suffix = sys.intern(suffix.lower())
            if not _SUFFIX.fullmatch(suffix):
                raise StoreError(f"{suffix!r} is not a picture's suffix; give one such as '.jpg'.")
            id = digest(data)
            ids.append(id)
            if id[:2] not in self._suffixes:
                sweep(self._root / id[:2])
                self._suffixes[id[:2]] = _suffixes(self._root / id[:2])
            if id not in self._suffixes[id[:2]]:
                self._suffixes[id[:2]][id] = suffix
                new[self._root / id[:2] / f"{id}{suffix}"] = data
        write_all(new)
        return ids

    def path(self, id: str) -> Path:
        """The file of one picture.

        Raises:
            MissingPictureError: there is none.
        """
        if id not in self:
            raise MissingPictureError(
                f"There is no picture {id} under {self._root}. It was removed after the rows that "
                "name it were written, or the rows belong to another folder."
            )
        return self._root / id[:2] / f"{id}{self._suffixes[id[:2]][id]}"

    def __getitem__(self, id: str) -> bytes:
        return self.path(id).read_bytes()

    def __contains__(self, id: object) -> bool:
        if not isinstance(id, str) or not _ID.fullmatch(id):
            return False
        if id not in self._suffixes.get(id[:2], {}):
            # Looked up again on a miss: another process may have added it.
            self._suffixes[id[:2]] = _suffixes(self._root / id[:2])
        return id in self._suffixes[id[:2]]

    def __iter__(self) -> Iterator[str]:
        for folder in sorted(self._root.glob("[0-9a-f][0-9a-f]")):
            yield from sorted(_suffixes(folder))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _suffixes(folder: Path) -> dict[str, str]:
    """Id -> suffix of the pictures in one folder; temporary names begin with a dot."""
    if not folder.is_dir():
        return {}
    return {p.stem: sys.intern(p.suffix) for p in folder.iterdir() if _ID.fullmatch(p.stem)}
