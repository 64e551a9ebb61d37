"""A folder of pictures, with captions beside them or in a table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from haiga.errors import DataError
from haiga.recipe.names import listed
from haiga.sources.base import Found
from haiga.sources.files import SUFFIXES, picture_at, walk
from haiga.sources.rows import meta_of, read_table

FILE_NAME: Final = "file_name"
CAPTIONS: Final = ("caption", "text", "description")
"""Where a caption is looked for when the recipe names no column."""
_TABLES: Final = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
SHOWN: Final = 8
"""Kinds of files that are passed over, by number, in one line."""
Words = tuple[str, dict[str, Any]]
"""A caption, and what else is said."""


def folder(
    seed: int,
    language: str,
    skip: int,
    *,
    path: str,
    caption: str = "",
    meta: dict[str, str] | None = None,
) -> Iterator[Found]:
    """Every picture under a folder, in the order of the names; each is called by its own path.

    A picture's words are those of the file beside it (`print.txt`, else `print.json`), else those
    of `metadata.jsonl`, `.csv` or `.parquet` in its folder or one above it, which names it by
    `file_name` as an imagefolder of `datasets` does. `caption` names the column or key that
    holds the caption; `meta` is what is true of every picture, such as its licence.

    Pictures that no table names are taken too. What a table names and is not there, a row or a file
    beside a picture that cannot be read, and a link that leaves the folder, are each set aside.
    Other files are passed over, see `passed_over`.

    Raises:
        DataError: there is no such folder, no picture in it, or a table that cannot be used.
    """
    root = Path(path)
    names = list(walk(root))
    keys = (caption,) if caption else CAPTIONS
    known = told(root, names)
    shown = [(name, why) for name, why in names if why or _suffix(name) in SUFFIXES]
    if not any(not why for _, why in shown):
        refused = "".join(f" but {name}, which is {why}" for name, why in shown[:1])
        raise DataError(
            f"There is no picture in {path}{refused}; pictures end in {listed(sorted(SUFFIXES))}."
        )
    files = {name for name, why in names if not why}
    for name, why in shown[skip:]:
        said = words(root, name, files, keys, known.rows.get(name, {}))
        yield _found(root, name, why, said, (language, meta))
    for name, why in _besides(names, known)[max(0, skip - len(shown)) :]:
        yield Found(id=name, language=language, meta=dict(meta or {}), fault=why)


def _besides(names: Sequence[tuple[str, str]], known: Told) -> list[tuple[str, str]]:
    """What tables speak of and is not there, and their rows that cannot be read; each with why."""
    there = {name for name, _ in names}
    missing = [(name, "named in a table and not there") for name in known.rows if name not in there]
    return [*missing, *known.faults]


def passed_over(*, path: str, **options: Any) -> Iterator[tuple[str, int]]:
    """Of the files that `folder` does not look at, a line with their endings, if there are any.

    They are neither called like a picture nor words beside one. With it goes the number of things
    that `folder` finds; other options play no part.

    Raises:
        DataError: there is no such folder, or a table in it cannot be used.
    """
    root = Path(path)
    names = list(walk(root))
    taken = {name for name, _ in beside(root, SUFFIXES)}
    others = [name for name, why in names if not why and name not in taken]
    shown = [why for name, why in names if why or _suffix(name) in SUFFIXES]
    if others and not all(shown):  # else there is nothing to be said but that
        counts = Counter(_suffix(name) or "no ending" for name in others).most_common()
        endings = ", ".join(f"{ending} {count:,}" for ending, count in counts[:SHOWN])
        text = (
            f"{'1 file is' if len(others) == 1 else f'{len(others):,} files are'} passed over, not "
            f"called like a picture ({endings}{', …' if len(counts) > SHOWN else ''}); the first "
            f"is {others[0]}"
        )
        yield text, len(shown) + len(_besides(names, told(root, names)))


def folder_files(*, path: str, **options: Any) -> Iterator[tuple[str, Path]]:
    """Every file that `folder` reads, by its name from the folder on; other options play no part.

    Raises:
        DataError: there is no such folder.
    """
    yield from beside(Path(path), SUFFIXES)


def beside(root: Path, suffixes: Collection[str]) -> Iterator[tuple[str, Path]]:
    """The files that end so, those with their words beside them, and the tables."""
    names = [name for name, why in walk(root) if not why]
    stems = {_stem(name) for name in names if _suffix(name) in suffixes}
    for name in names:
        suffix = _suffix(name)
        words = suffix in (".txt", ".json") and _stem(name) in stems
        if words or suffix in suffixes or _is_table(name):
            yield name, root / name


def _stem(name: str) -> str:
    return name.removesuffix(PurePosixPath(name).suffix)


def _is_table(name: str) -> bool:
    return PurePosixPath(name).name in _TABLES


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _found(
    root: Path,
    name: str,
    why: str,
    said: Words | str,
    common: tuple[str, Mapping[str, str] | None],
) -> Found:
    language, given = common
    shown = why or picture_at(root, name)
    if isinstance(said, str) or isinstance(shown, str):
        fault = shown if isinstance(shown, str) else str(said)
        return Found(id=name, language=language, meta=dict(given or {}), fault=fault)
    data, _ = shown
    text, besides = said
    return Found(
        id=name,
        pictures=((data, _suffix(name)),),
        caption=text,
        language=language,
        meta={"file": name, **meta_of(besides, (FILE_NAME,), given)},
    )


def words(
    root: Path, name: str, files: set[str], keys: tuple[str, ...], row: Mapping[str, Any]
) -> Words | str:
    """The caption of a file and the rest that is said of it, or why that cannot be read.

    Args:
        root: the folder.
        name: of the file, from the folder on.
        files: all names in the folder.
        keys: under which a caption may stand, the first that is there.
        row: what a table says of the file.
    """
    stem = _stem(name)
    said = dict(row)
    try:
        if f"{stem}.json" in files:
            beside = json.loads((root / f"{stem}.json").read_text(encoding="utf-8-sig"))
            if not isinstance(beside, dict):
                return "the .json beside it is no JSON object"
            said |= beside
        text = _caption(said, keys)
        if f"{stem}.txt" in files:
            text = (root / f"{stem}.txt").read_text(encoding="utf-8-sig").strip()
    except (OSError, ValueError, RecursionError):
        return "the words beside it cannot be read"
    return text, said


def _caption(said: dict[str, Any], keys: tuple[str, ...]) -> str:
    """The caption, taken out of what is said."""
    key = next((key for key in keys if isinstance(said.get(key), str) and said[key].strip()), None)
    return "" if key is None else said.pop(key).strip()


@dataclass(frozen=True)
class Told:
    """What the tables say: of each file, by its name from the root, and what is wrong with them."""

    rows: Mapping[str, Mapping[str, Any]]
    faults: tuple[tuple[str, str], ...]


def told(root: Path, names: Sequence[tuple[str, str]]) -> Told:
    """What the tables among the names of a folder say (see `files.walk`).

    Raises:
        DataError: a table cannot be used.
    """
    tables = [name for name, why in names if not why and _is_table(name)]
    rows: dict[str, Mapping[str, Any]] = {}
    faults = []
    for table in tables:
        for number, row in enumerate(read_table(root / table), 1):
            place = f"{table}:{number}"
            if isinstance(row, str):
                faults.append((place, row))
                continue
            column = _naming(row)
            if column is None:
                raise DataError(
                    f"{root / table}: row {number} has no {FILE_NAME!r}; it has {listed(row)}. "
                    f"Name the picture of each row by {FILE_NAME!r}, relative to the table. For "
                    "several pictures a row take the source 'captioned', with this table as its "
                    "data and columns = { images = the column with their names }."
                )
            name = _normal(PurePosixPath(table).parent / str(row.pop(column)))
            if name is None:
                faults.append((place, "names a file outside the folder"))
            elif name in rows:
                faults.append((place, "names a file that another row names"))
            else:
                rows[name] = row
    return Told(rows, tuple(faults))


def _naming(row: Mapping[str, Any]) -> str | None:
    """The column that names the picture: as `datasets` has it, "file_name" or "image_file_name"."""
    other = (column for column in row if column.endswith(f"_{FILE_NAME}"))
    return FILE_NAME if FILE_NAME in row else next(other, None)


def _normal(path: PurePosixPath) -> str | None:
    """A path without "." and "..", or None where it leads out."""
    parts: list[str] = []
    for part in path.parts:
        if part == "/" or (part == ".." and not parts):
            return None
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
