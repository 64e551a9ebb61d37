"""The rows of a stage folder, read a shard at a time, in any order and as often as is asked."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, TypeAlias, overload

from haiga.store.tables import open_parquet, read_rows

Row: TypeAlias = dict[str, Any]
KEPT_SHARDS: Final = 2


class Lazy(Sequence[Row]):
    """Rows that are made when they are asked for."""

    @abstractmethod
    def row(self, at: int) -> Row:
        """The row with the number `at`, which is not negative and is there."""

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        if isinstance(at, slice):
            return [self.row(each) for each in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(f"there are {len(self)} rows, and none with number {at}")
        return self.row(at % len(self))

    def __iter__(self) -> Iterator[Row]:
        return map(self.row, range(len(self)))


class Rows(Lazy):
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
        self._recent: OrderedDict[int, list[Row]] = OrderedDict()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def row(self, at: int) -> Row:
        file = bisect_right(self._ends, at)
        return self._opened(file)[at - self._ends[file]]  # counted from the file's end

    def _opened(self, file: int) -> list[Row]:
        if file not in self._recent:
            rows = read_rows([self._paths[file]])
            self._recent[file] = [{name: row.get(name) for name in self._names} for row in rows]
            if len(self._recent) > KEPT_SHARDS:
                self._recent.popitem(last=False)
        self._recent.move_to_end(file)
        return self._recent[file]


class Some(Lazy):
    """Those of other rows that have the numbers `places`, in that order."""

    def __init__(self, rows: Sequence[Row], places: Sequence[int]) -> None:
        self._rows, self._places = rows, places

    def __len__(self) -> int:
        return len(self._places)

    def row(self, at: int) -> Row:
        return self._rows[self._places[at]]
