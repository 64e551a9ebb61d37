"""A stage folder, shard by shard: what is written is not decided again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from haiga.store import Writer

SHARD = 256
Row: TypeAlias = dict[str, Any]


def sweep(
    writer: Writer, rows: int, decide: Callable[[range], Iterable[Row]], size: int = SHARD
) -> None:
    """Shard by shard what `decide` makes of its rows; one with a "reason" is dropped."""
    for shard, start in enumerate(range(0, rows, size)):
        if writer.has(shard):
            continue
        decided = list(decide(range(start, min(start + size, rows))))
        writer.write(shard, *parted(decided))


def parted(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows that stay, and those with a "reason"."""
    kept = [row for row in rows if "reason" not in row]
    return kept, [row for row in rows if "reason" in row]
