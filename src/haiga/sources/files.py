"""Files on this machine: which are pictures, which lie in the folder, and their bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from haiga.errors import DataError
from haiga.sources.base import MAX_BYTES
from haiga.store import suffix_of

SUFFIXES: Final = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp",
    ".tif", ".tiff", ".ppm", ".pgm", ".pnm", ".avif", ".jp2", ".heic", ".heif", ".hif",
))  # fmt: skip
LINK_OUT: Final = "a link that leaves the folder"
LINK_TO_FOLDER: Final = "a link to a folder"
OUTSIDE: Final = "its picture lies outside the folder"
ABSENT: Final = "its picture is not there"
EMPTY: Final = "empty file"
TOO_LARGE: Final = f"over {MAX_BYTES >> 20} MB"
NO_RIGHT: Final = "cannot be read"
NOT_A_PICTURE: Final = "not a picture"


def picture(data: bytes | None) -> tuple[bytes, str] | str:
    """A picture's bytes with the suffix that fits them, or why they cannot be used."""
    if not data:
        return EMPTY
    if len(data) > MAX_BYTES:
        return TOO_LARGE
    suffix = suffix_of(data)
    return (data, suffix) if suffix else NOT_A_PICTURE


def picture_at(root: Path, name: str) -> tuple[bytes, str] | str:
    """The picture that a row names relative to `root`, or why it cannot be used.

    A name that leads out of `root`, by "..", by an absolute path or through a link, is refused:
    data from elsewhere must not make a copy of what else lies on this machine.
    """
    try:
        path = (root / name).resolve()
        if not path.is_relative_to(root.resolve()):
            return OUTSIDE
        if not path.is_file():
            return ABSENT
        if path.stat().st_size > MAX_BYTES:
            return TOO_LARGE
        return picture(path.read_bytes())
    except (OSError, ValueError):  # ValueError: a name with a null byte
        return NO_RIGHT


def in_folders(places: Sequence[Path]) -> list[Path]:
    """The places in order, and for each that is a folder the pictures in it, by their names.

    Raises:
        DataError: a folder has none, or cannot be read.
    """
    found: list[Path] = []
    for place in places:
        if not place.is_dir():
            found.append(place)
            continue
        names = [name for name, why in walk(place) if not why]
        own = [place / name for name in names if Path(name).suffix.lower() in SUFFIXES]
        if not own:
            raise DataError(f"There is no picture in the folder {place}.")
        found += own
    return found


def walk(root: Path) -> Iterator[tuple[str, str]]:
    """Every file under `root` as (relative POSIX path, fault or ""), sorted within its folder.

    The order is that of the names alone, so that it is the same wherever the folder stands. Names
    that begin with a dot are passed over, as are folders called so. A link to a file in the folder
    is a file; any other link is a fault, since it could lead out or round in a circle.

    Raises:
        DataError: `root` or a folder in it cannot be read.
    """
    real = root.resolve()
    pending = [""]
    while pending:
        here = pending.pop()
        folders = []
        for entry in _entries(root / here):
            name = f"{here}{entry.name}"
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                target = Path(entry.path).resolve()
                if not target.is_relative_to(real):
                    yield name, LINK_OUT
                elif target.is_dir():
                    yield name, LINK_TO_FOLDER
                else:
                    yield name, ""
            elif entry.is_dir():
                folders.append(f"{name}/")
            else:
                yield name, ""
        pending.extend(reversed(folders))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"The folder {folder} cannot be read: {error.strerror}. Check the source's path, and "
            "that you may read it."
        ) from error
