"""The rows of a stage folder, read a shard at a time, in any order and as often as is asked."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, overload

from haiga.store.tables import open_parquet, read_rows

KEPT_SHARDS: Final = 2


class Rows(Sequence[dict[str, Any]]):
    """Rows of Parquet files as one sequence; in memory are those of the files read last.

    Every row has the columns of all the files. Going through them in order reads each file once.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        names: dict[str, None] = {}
        sizes = []
        for path in paths:  # one open at a time: there may be more than a process may have
            with open_parquet(path) as file:
                names |= dict.fromkeys(file.schema_arrow.names)
                sizes.append(file.metadata.num_rows)
        self._names = list(names)
        self._ends = list(accumulate(sizes))
        self._recent: OrderedDict[int, list[dict[str, Any]]] = OrderedDict()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, at: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, at: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, at: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(f"there are {len(self)} rows, and none with number {at}")
        at %= len(self)
        file = bisect_right(self._ends, at)
        return self._opened(file)[at - self._ends[file]]  # counted from the file's end

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for file in range(len(self._paths)):
            yield from self._opened(file)

    def _opened(self, file: int) -> list[dict[str, Any]]:
        if file not in self._recent:
            rows = read_rows([self._paths[file]])
            self._recent[file] = [{name: row.get(name) for name in self._names} for row in rows]
            if len(self._recent) > KEPT_SHARDS:
                self._recent.popitem(last=False)
        self._recent.move_to_end(file)
        return self._recent[file]
