"""The order of rows, a pure function of the step: a resumed run reads what it would have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def steps_per_epoch(n: int, batch: int) -> int:
    """How many batches cover `n` rows; the last may be short."""
    return -(-n // batch)


def batch_indices(n: int, batch: int, step: int, seed: int) -> list[int]:
    """The rows of step `step`, counted from 0 over all epochs.

    Each epoch is a permutation of the rows drawn from (seed, epoch). Its last batch is short where
    `batch` does not divide `n`: every row is seen once an epoch.

    Raises:
        ValueError: when there are no rows or the batch is empty.
    """
    if n < 1 or batch < 1:
        raise ValueError(f"{n} rows in batches of {batch}: both must be at least 1.")
    epoch, place = divmod(step, steps_per_epoch(n, batch))
    return [int(row) for row in _permutation(n, seed, epoch)[place * batch : (place + 1) * batch]]


def split(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Micro-batches of at most `size` items, in order."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def share(items: Sequence[Item], rank: int, world: int) -> Sequence[Item]:
    """The part of a step that one rank computes."""
    return items[rank::world]


@lru_cache(maxsize=4)
def _permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(n)
