"""Picture files by the digest of their bytes, each stored once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from haiga.errors import StoreError
from haiga.store.files import digest, write_atomically

_ID = re.compile(r"[0-9a-f]{32}")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


class MissingPictureError(StoreError, KeyError):
    """A picture that a row names and no file holds. A KeyError too, as a Mapping must raise."""

    __str__ = Exception.__str__  # KeyError would print its argument's repr


class PictureFiles(Mapping[str, bytes]):
    """The pictures under `folder`/pictures/ab/<id><suffix>, where ab are the id's first digits."""

    def __init__(self, folder: Path) -> None:
        self._root = Path(folder) / "pictures"
        self._names: dict[str, dict[str, str]] = {}

    def add(self, data: bytes, suffix: str) -> str:
        """Store `data` once and return its id; the first suffix given stays.

        Args:
            data: the file's bytes, as they are.
            suffix: with its dot, ".jpg".

        Raises:
            StoreError: the suffix is none, or the file cannot be written.
        """
        suffix = suffix.lower()
        if not _SUFFIX.fullmatch(suffix):
            raise StoreError(f"{suffix!r} is not a picture's suffix; give one such as '.jpg'.")
        id = digest(data)
        if id not in self:
            write_atomically(self._root / id[:2] / f"{id}{suffix}", data)
            self._names[id[:2]][id] = f"{id}{suffix}"
        return id

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
        return self._root / id[:2] / self._names[id[:2]][id]

    def __getitem__(self, id: str) -> bytes:
        return self.path(id).read_bytes()

    def __contains__(self, id: object) -> bool:
        if not isinstance(id, str) or not _ID.fullmatch(id):
            return False
        if id not in self._names.get(id[:2], {}):
            # Looked up again on a miss: another process may have added it.
            self._names[id[:2]] = _names(self._root / id[:2])
        return id in self._names[id[:2]]

    def __iter__(self) -> Iterator[str]:
        for folder in sorted(self._root.glob("[0-9a-f][0-9a-f]")):
            yield from sorted(_names(folder))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _names(folder: Path) -> dict[str, str]:
    """Id -> file name of the pictures in one folder; temporary names begin with a dot."""
    if not folder.is_dir():
        return {}
    return {path.stem: path.name for path in folder.iterdir() if _ID.fullmatch(path.stem)}
