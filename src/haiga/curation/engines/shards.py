"""A shard of pictures, and what it is to measure one, on whatever engine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from haiga.curation.breaker import stop_if_most_fail
from haiga.store import write_part

Values: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Shard:
    """Pictures that are measured together."""

    number: int
    """In the order of the pictures, from 0."""
    ids: tuple[str, ...]
    pictures: Path
    """The folder that holds pictures/; on a cluster every machine must see it under this name."""
    target: Path
    """The file that the measurements go to, whole or not at all."""
    measure: str
    """The function that measures a picture's bytes, as "module:name"."""
    tried: int = 0
    """How many pictures were tried before, when this shard was handed out."""
    failed: int = 0
    """How many of them failed otherwise than by being damaged."""


class Tried(NamedTuple):
    """What came of one picture."""

    values: Values
    """Its measurements; {"error": sentence} where there are none."""
    raised: bool = False
    """The measure raised, so that mended code may do better: not kept, and neither are values
    that name what the picture `needs` to be read."""
    lost: bool = False
    """It ended its process, or took too long."""


class Done(NamedTuple):
    """What became of a shard."""

    number: int
    tried: int
    errors: Sequence[str]
    """The sentence of each picture without measurements."""
    raised: dict[str, Values]
    """Those that the file does not hold: id -> {"error": sentence}."""
    unforeseen: int
    """How many raised, ended their process, took too long, or need what is not installed."""


Attempt: TypeAlias = Callable[[Sequence[str]], Generator[Tried, None, None]]
Engine: TypeAlias = Callable[[Iterable[Shard]], Iterator[Done]]


def measure_shard(shard: Shard, attempt: Attempt) -> Done:
    """Measure the pictures of a shard one after another and write what was found.

    Raises:
        DataError: most pictures so far raise, end their process, take too long, or need what is not
            installed. That one is damaged is its own affair.
        StoreError: a picture is gone, or the file cannot be written.
    """
    values: dict[str, Values] = {}
    raised: dict[str, Values] = {}
    unforeseen: list[str] = []
    with closing(attempt(shard.ids)) as results:
        for at, (id_, tried) in enumerate(zip(shard.ids, results, strict=True), start=1):
            passing = tried.raised or "needs" in tried.values
            (raised if passing else values)[id_] = tried.values
            if passing or tried.lost:
                unforeseen.append(tried.values["error"])
                stop_if_most_fail("pictures", unforeseen, shard.tried + at, earlier=shard.failed)
    write_part(shard.target, values)
    errors = [each["error"] for each in (*values.values(), *raised.values()) if "error" in each]
    return Done(shard.number, len(shard.ids), errors, raised, len(unforeseen))
