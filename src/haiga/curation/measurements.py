"""What was measured is never measured again: kept by picture, measure and the measure's version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from haiga.curation.breaker import stop_if_most_fail
from haiga.curation.engines.shards import Engine, Shard
from haiga.store import Parts, packed

Values = dict[str, Any]
SHARD: Final = 256
"""Pictures in a shard; as many are measured again for each shard that a kill finds in flight."""


class Measured(Mapping[str, Values]):
    """The measurements of pictures by id, read from disk as they are asked for."""

    def __init__(self, parts: Parts, raised: Mapping[str, Values]) -> None:
        self._parts, self._raised = parts, raised

    def __getitem__(self, id: str) -> Values:
        return self._raised[id] if id in self._raised else self._parts[id]

    def __iter__(self) -> Iterator[str]:
        yield from self._parts
        yield from (id for id in self._raised if id not in self._parts)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Together(Mapping[str, Values]):
    """The measurements of several looks at the same pictures, as if they were of one."""

    def __init__(self, parts: Sequence[Mapping[str, Values]]) -> None:
        self._parts = parts

    def __getitem__(self, id: str) -> Values:
        return {key: value for part in self._parts for key, value in part[id].items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts[0])

    def __len__(self) -> int:
        return len(self._parts[0])


def measured(
    folder: Path,
    name: str,
    ids: Iterable[str],
    pictures: Path,
    measure: str,
    *,
    engine: Engine,
    progress: Callable[[int], None] = lambda count: None,
) -> Measured:
    """The measurements of each picture, from `folder` where they are known, else made and kept.

    A picture that cannot be measured has {"error": sentence}. Where `measure` raised, or says what
    it needs, that is not kept, and it is tried again; one that ended its process would do so again.

    Args:
        folder: data/measurements.
        name: of the measure, with its version: "pictures/1".
        ids: of the pictures, in the order in which they are measured.
        pictures: the folder that holds pictures/.
        measure: a function of a picture's bytes, as "module:name".
        progress: is told how many more pictures are known, the first time how many were.

    Raises:
        DataError: all pictures fail, or most by what is no fault of theirs; see `breaker`.
        StoreError: a picture is missing.
    """
    parts = Parts(folder / name.replace("/", "-"))
    known, missing = parts.parted(packed(ids))
    progress(len(known))
    errors = [values["error"] for id in known if "error" in (values := parts[id.decode()])]
    _stop_if_all_fail(errors, len(known))
    raised: dict[str, Values] = {}
    todo = [missing[at : at + SHARD] for at in range(0, len(missing), SHARD)]
    tried, unforeseen = len(known), 0

    def shards() -> Iterator[Shard]:
        for number, some in enumerate(todo, start=parts.next_number()):
            names, target = tuple(id.decode() for id in some), parts.path(number)
            yield Shard(number, names, pictures, target, measure, tried, unforeseen)

    for done in engine(shards()):
        tried += done.tried
        errors.extend(done.errors)
        unforeseen += done.unforeseen
        raised.update(done.raised)
        progress(done.tried)
        _stop_if_all_fail(errors, tried)
    parts.refresh()
    return Measured(parts, raised)


def _stop_if_all_fail(errors: Sequence[str], tried: int) -> None:
    """Any that can be measured shows that nothing is wrong but with the others."""
    if len(errors) == tried:
        stop_if_most_fail("pictures", errors, tried)
