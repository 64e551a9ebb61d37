"""Tar shards of pictures and captions, as img2dataset writes them and WebDataset reads them."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, Final

from haiga.errors import DataError
from haiga.sources.base import MAX_BYTES, Found
from haiga.sources.files import SUFFIXES, TOO_LARGE, picture
from haiga.sources.rows import meta_of, names_of, paths_of

_USED: Final = ("caption", "exif", "status", "error_message", "key")
"""Of img2dataset's fields: EXIF may tell where somebody lives, and helps nobody to see."""
_BLOCK: Final = 512
_SHARDS: Final = (".tar",)


def webdataset(
    seed: int,
    language: str,
    skip: int,
    *,
    data: str,
    meta: dict[str, str] | None = None,
) -> Iterator[Found]:
    """The samples of tar shards (a file, a folder or a pattern), in the order of names.

    Files next to each other that share their name up to its first dot are one sample: pictures, a
    caption in `.txt` (else in `.json`, as `caption`), and what is said besides in `.json`. A sample
    is called by its shard and key. https://github.com/rom1504/img2dataset

    Nothing is unpacked to the disk. A name that leads out of its shard, a link or a device, a
    sparse file, and a file above 64 MB set their sample aside; a shard that is damaged is read up
    to there, and the rest is set aside under the shard's name.

    Raises:
        DataError: there is no shard, or one is no uncompressed tar file.
    """
    paths = paths_of(data, _SHARDS)
    at = 0
    for path, shard in zip(paths, names_of(paths), strict=True):
        for found in _samples(path, shard, skip - at):
            at += 1
            if found is not None:
                yield Found(
                    found.id, found.pictures, found.caption, language,
                    meta_of(found.meta, _USED, meta), fault=found.fault,
                )  # fmt: skip


def shard_files(*, data: str, **options: Any) -> Iterator[tuple[str, Path]]:
    """The shards that `webdataset` reads, by name; other options play no part.

    Raises:
        DataError: there are none.
    """
    paths = paths_of(data, _SHARDS)
    yield from zip(names_of(paths), paths, strict=True)


def _samples(path: Path, shard: str, skip: int) -> Iterator[Found | None]:
    """The samples of one shard; None stands for each of the first `skip`, which are not read."""
    try:
        tar = tarfile.open(path, "r:")  # noqa: SIM115 - closed below, once its samples are read
    except (tarfile.TarError, OSError) as error:
        raise DataError(
            f"{path} is no tar file that can be read ({error}). A shard is not compressed; its "
            "pictures are."
        ) from error
    seen: set[str] = set()
    with tar:
        members = _Members(tar)
        for at, (key, files) in enumerate(groupby(members, key=lambda each: _key(each.name))):
            sample = list(files)
            name = f"{shard}/{key}" if key not in seen else f"{shard}/{key}#{at}"
            twice = key in seen
            seen.add(key)
            if at < skip:
                yield None
            elif twice:
                yield Found(name, fault="its key comes twice")
            else:
                yield _sample(tar, name, sample)
        if not members.whole:
            yield Found(shard, fault="the shard is damaged from here on")


class _Members:
    """The files of a tar, one after another; `whole` says afterwards whether that was all.

    Python's own reader takes a broken header for the end, in silence.
    """

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.whole = True

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        try:
            for member in self._tar:
                if not member.isdir():
                    yield member
            file = self._tar.fileobj
            assert file is not None
            file.seek(self._tar.offset)
            self.whole = not file.read(_BLOCK).strip(b"\0")
        except (tarfile.TarError, OSError, ValueError):  # ValueError: numbers that are none
            self.whole = False


def _key(name: str) -> str:
    """The name up to the first dot of its last part."""
    path = PurePosixPath(name)
    return (path.parent / path.name.split(".", 1)[0]).as_posix()


def _sample(tar: tarfile.TarFile, name: str, files: list[tarfile.TarInfo]) -> Found:
    pictures = []
    words: str | None = None
    said: dict[str, Any] = {}
    for each in files:
        suffix = PurePosixPath(each.name).suffix.lower()
        if fault := _refused(each):
            return Found(name, meta=said, fault=fault)
        if suffix not in SUFFIXES and suffix not in (".txt", ".json"):
            continue
        data = _bytes(tar, each)
        if data is None:
            return Found(name, meta=said, fault="the shard is damaged here")
        try:
            if suffix == ".txt":
                words = data.decode("utf-8-sig").strip()
            elif suffix == ".json":
                said = dict(json.loads(data))
            else:
                shown = picture(data)
                if isinstance(shown, str):
                    return Found(name, meta=said, fault=shown)
                pictures.append(shown)
        except (ValueError, TypeError, RecursionError):
            return Found(name, fault=f"its {suffix} cannot be read")
    if not pictures:
        return Found(name, meta=said, fault="no picture")
    caption = words if words is not None else said.get("caption")
    return Found(name, tuple(pictures), caption if isinstance(caption, str) else "", meta=said)


def _refused(member: tarfile.TarInfo) -> str:
    """Why a file of an archive is not even looked at."""
    parts = PurePosixPath(member.name).parts
    if ".." in parts or member.name.startswith("/"):
        return "a name that leads out of its shard"
    if not member.isreg() or member.issparse():
        return "not a plain file"
    return TOO_LARGE if member.size > MAX_BYTES else ""


def _bytes(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
    """The bytes of a member; None where the shard ends before they do."""
    try:
        file = tar.extractfile(member)
        data = file.read() if file is not None else b""
    except (tarfile.TarError, OSError):
        return None
    return data if len(data) == member.size else None
