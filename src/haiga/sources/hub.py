"""Published sets of captions, conversations and preferences, from files or by name on the hub."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from haiga.errors import DataError, RecipeError
from haiga.recipe.names import did_you_mean, listed
from haiga.sources.base import Found
from haiga.sources.conversations import RowFault, Shape
from haiga.sources.files import EMPTY, picture, picture_at
from haiga.sources.rows import READERS, Read, meta_of, names_of, paths_of, rows_of

_NAME: Final = re.compile(
    r"(?P<name>[\w-][\w.-]*/[\w-][\w.-]*)(@(?P<revision>[\w./-]+))?(:(?P<split>\w+))?"
)
_FIRST: Final = re.compile(r"(.*?)(?:\[:(\d+)\])?", re.DOTALL)
ADDRESS: Final = "its picture is an address; fetch it with the source url_list"
NO_FOLDER: Final = "its picture is a path, and the source names no folder of pictures"


def hub(
    shape: Shape,
    seed: int,
    language: str,
    skip: int,
    *,
    data: str,
    pictures: str = "",
    columns: dict[str, str] | None = None,
    meta: dict[str, str] | None = None,
) -> Iterator[Found]:
    """The rows of a published set, in its order; each is called by its file and number.

    `data` is a file, a folder or a pattern of files (.parquet, .json, .jsonl, .csv), or a name on
    the hub with a revision and a split where they matter ("openbmb/RLAIF-V-Dataset@abc123:train").
    "[:30000]" behind either takes so many rows and no more. Paths of pictures are relative to the
    folder `pictures`, or to that of the file. `columns` says where a column is called otherwise,
    `{ image = "img" }`; `meta` is what is true of all rows.

    Raises:
        DataError: the data cannot be read.
        RecipeError: `columns` names a column that this shape does not have.
    """
    renamed = dict(columns or {})
    for name in renamed:
        if name not in shape.columns:
            raise RecipeError(
                f"source.columns: this source reads no column {name!r}"
                f"{did_you_mean(name, shape.columns)}; it reads: {listed(shape.columns)}."
            )
    root, rows = _rows(data, pictures, skip)
    for place, row in rows:
        if isinstance(row, str):
            yield Found(id=place, language=language, meta=dict(meta or {}), fault=row)
            continue
        row = _renamed(row, renamed)
        said = meta_of(row, shape.columns, meta)
        try:
            talk = shape.read(row)
            shown = tuple(_picture(each, root) for each in talk.pictures)
        except RowFault as fault:
            yield Found(id=place, language=language, meta=said, fault=str(fault))
            continue
        yield Found(place, shown, talk.caption, language, said, talk.prompt, talk.answers)


def table_files(*, data: str, **options: Any) -> Iterator[tuple[str, Path]]:
    """The tables that `hub` reads, by name, and none of a set on the hub; what pictures they name
    is not asked, and other options play no part.

    Raises:
        DataError: there are none.
    """
    data, _ = _FIRST.fullmatch(data).groups()  # type: ignore[union-attr]
    if Path(data).exists() or not _named(data):
        paths = paths_of(data)
        yield from zip(names_of(paths), paths, strict=True)


def _renamed(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """The row with its columns under the names that a shape knows."""
    taken = set(columns.values())
    return {
        **{key: value for key, value in row.items() if key not in taken},
        **{name: row.get(theirs) for name, theirs in columns.items()},
    }


def _picture(value: Any, root: Path | None) -> tuple[bytes, str]:
    if isinstance(value, dict):
        held = value.get("bytes")
        value = held if held is not None else value.get("path")
    if isinstance(value, str):
        if value.startswith(("http://", "https://")):
            raise RowFault(ADDRESS)
        if root is None:
            raise RowFault(NO_FOLDER)
        shown = picture_at(root, value)
    else:
        shown = picture(value) if isinstance(value, bytes) else EMPTY
    if isinstance(shown, str):
        raise RowFault(shown)
    return shown


def _rows(data: str, pictures: str, skip: int) -> tuple[Path | None, Iterator[tuple[str, Read]]]:
    """The folder of pictures, where there is one, and the rows after the first `skip`."""
    root = Path(pictures) if pictures else None
    if root is not None and not root.is_dir():
        raise DataError(f"There is no folder of pictures {root}. Check the source's `pictures`.")
    data, first = _FIRST.fullmatch(data).groups()  # type: ignore[union-attr]
    left = max(0, int(first) - skip) if first else None
    named = _named(data)
    if named and not Path(data).exists():
        split = named["split"] or "train"
        return root, islice(from_hub(named["name"], named["revision"], split, skip), left)
    return root or paths_of(data)[0].parent, islice(rows_of(data, skip), left)


def _named(data: str) -> re.Match[str] | None:
    """A name on the hub with its revision and its split; None where it can only be a file."""
    return None if Path(data).suffix.lower() in READERS else _NAME.fullmatch(data)


def is_here(data: str, *, or_named: bool = False) -> bool:
    """Whether there is something at a path or a pattern, or it may be a name on the hub instead."""
    data = _FIRST.fullmatch(data).group(1)  # type: ignore[union-attr]
    path = Path(data)
    found = path.exists() or any(Path(path.anchor).glob(path.relative_to(path.anchor).as_posix()))
    return found or (or_named and _named(data) is not None)


def from_hub(
    name: str, revision: str | None, split: str, skip: int, *, config: str | None = None
) -> Iterator[tuple[str, Read]]:
    """The rows of one split of a set on the hub, streamed; pictures stay the files that they are.

    `config` is the part of a set that has several ("en" of MMBench).

    Raises:
        DataError: `datasets` cannot read it, for which it may lack a network.
    """
    # Here, because it brings pandas with it, which takes seconds.
    import datasets

    try:
        rows = datasets.load_dataset(name, config, revision=revision, split=split, streaming=True)
        for column, feature in (rows.features or {}).items():
            if isinstance(feature, datasets.Image):
                rows = rows.cast_column(column, datasets.Image(decode=False))
            elif getattr(feature, "feature", None) == datasets.Image():
                rows = rows.cast_column(column, datasets.List(datasets.Image(decode=False)))
        for number, row in enumerate(rows.skip(skip), skip + 1):
            yield f"{split}:{number}", dict(row)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{name} cannot be read from the hub ({type(error).__name__}: {error}). Check its "
            "name, its split, and the network; or download its files and name their folder."
        ) from error
