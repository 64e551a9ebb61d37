"""Digests, fingerprints, and files that are either whole or not there."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from haiga.errors import StoreError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def digest(data: bytes) -> str:
    """xxh3-128 of `data`, 32 hex digits: a picture's id."""
    return xxhash.xxh3_128_hexdigest(data)


def plain(value: Any) -> Any:
    """`value` as JSON knows it: dicts with text keys, lists, text, numbers, true, false, null.

    Dataclasses become dicts, tuples lists, sets sorted lists, paths their POSIX form. Anything
    else is a TypeError: it has no form that would be the same tomorrow.
    """
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(each) for each in value), key=canonical)
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"a {type(value).__name__} has no canonical JSON form, so no fingerprint")


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, ASCII."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"))


def fingerprint(value: Any) -> str:
    """xxh3-128 of the canonical JSON of `value`, 32 hex digits; see `plain` for what it takes."""
    return digest(canonical(value).encode("ascii"))


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well, and vanishes otherwise.

    It is written under a temporary name in the same folder, flushed to the disk, and moved.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StoreError(_sentence(path, error)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def sole(path: Path, refusal: str) -> Iterator[None]:
    """The only process in the block, of all that come by this file; a killed one leaves by dying.

    Raises:
        StoreError: another is there, which `refusal` says; or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise StoreError(_sentence(path, error)) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(refusal) from None
        yield


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`: afterwards it is there whole, or what was there before still is.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.
    """
    with replacing(path) as file:
        file.write(data)


def write_all(files: Mapping[Path, bytes]) -> None:
    """Write several files side by side, each as `write_atomically` does.

    A disk is waited for, not worked for: sixteen at once are seven times as fast as one by one.

    Raises:
        StoreError: as there.
    """
    with ThreadPoolExecutor(min(16, max(1, len(files)))) as pool:
        for done in [pool.submit(write_atomically, *each) for each in files.items()]:
            done.result()


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False)
    write_atomically(path, (text + "\n").encode("utf-8"))


def read_json(path: Path) -> Any:
    """The value in a JSON file, or None where there is no such file.

    Raises:
        StoreError: the file is there and is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise StoreError(
            f"{path} cannot be read ({error}). Delete it; its folder is then made again."
        ) from error


def write_table(path: Path, table: pa.Table, row_group: int = 1024) -> None:
    """Write one Parquet file atomically; the same table always gives the same bytes."""
    try:
        with replacing(path) as file:
            pq.write_table(
                table, file, row_group_size=row_group, compression="zstd", use_dictionary=False
            )
    except pa.ArrowException as error:
        raise StoreError(f"{path} cannot be written as Parquet: {error}") from error


def sweep(folder: Path) -> None:
    """Remove what a killed writer left under temporary names in `folder`."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def _sentence(path: Path, error: OSError) -> str:
    if error.errno in _FULL:
        return (
            f"The disk is full: {path} could not be written, and nothing of it was left behind. "
            "Make room, or use another --workdir, and run the same command again."
        )
    return f"{path} could not be written: {error.strerror or error}. Check the folder's rights."
