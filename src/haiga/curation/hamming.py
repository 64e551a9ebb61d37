"""Pairs of 64-bit hashes that differ in few bits: all of them, at any number of hashes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SEGMENTS: Final = ((42, 22), (21, 21), (0, 21))
"""Shift and width of three segments that make up 64 bits."""
_RADIUS: Final = 2
_BRUTE: Final = 5_000
"""Up to so many hashes, comparing all with all is faster than 700 passes over a table."""
_BLOCK = 2048
_PASS = 1 << 18
"""Hashes that are looked up at once: what a pass holds stays in the cache."""


def near_pairs(hashes: NDArray[np.uint64], distance: int) -> NDArray[np.int64]:
    """All pairs (i < j) at a Hamming distance of at most `distance`, in order: (P, 2). Exact.

    Hashes that differ in at most 8 bits differ in at most 2 bits of one of three segments of 22,
    21 and 21 bits (the pigeonhole principle; Norouzi et al. 2012, multi-index hashing). Each
    segment is a place in a table, in which all values that differ in at most 2 bits are looked up.
    A larger distance, or a small number of hashes, is compared by brute force: n²/2 popcounts.
    """
    if len(hashes) <= _BRUTE or distance >= len(_SEGMENTS) * (_RADIUS + 1):
        found = list(_compared(hashes, distance))
    else:
        found = [pair for at in range(len(_SEGMENTS)) for pair in _looked_up(hashes, distance, at)]
    pairs = np.concatenate([np.zeros((0, 2), dtype=np.int64), *found])
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _compared(hashes: NDArray[np.uint64], distance: int) -> Iterator[NDArray[np.int64]]:
    """By comparison of all with all, in square blocks, so that memory does not grow with n²."""
    for top in range(0, len(hashes), _BLOCK):
        for left in range(top, len(hashes), _BLOCK):
            rows, columns = hashes[top : top + _BLOCK], hashes[left : left + _BLOCK]
            near = np.bitwise_count(rows[:, None] ^ columns[None, :]) <= distance
            if left == top:
                near = np.triu(near, k=1)
            yield np.argwhere(near) + np.array([top, left])


def _looked_up(
    hashes: NDArray[np.uint64], distance: int, segment: int
) -> Iterator[NDArray[np.int64]]:
    """The pairs that this segment finds and no segment before it."""
    shift, width = _SEGMENTS[segment]
    keys = ((hashes >> np.uint64(shift)) & np.uint64((1 << width) - 1)).astype(np.int32)
    order = np.argsort(keys, kind="stable").astype(np.int32)
    keys, values = keys[order], hashes[order]
    starts = np.zeros((1 << width) + 1, dtype=np.int32)
    np.cumsum(np.bincount(keys, minlength=1 << width), out=starts[1:])
    for left, right in _candidates(keys, starts, width):
        bits = values[left] ^ values[right]
        near = np.bitwise_count(bits) <= distance
        left, right, bits = left[near], right[near], bits[near]
        for earlier in _SEGMENTS[:segment]:
            mask = np.uint64(((1 << earlier[1]) - 1) << earlier[0])
            new = np.bitwise_count(bits & mask) > _RADIUS
            left, right, bits = left[new], right[new], bits[new]
        if len(left):
            yield np.sort(np.column_stack([order[left], order[right]]).astype(np.int64), axis=1)


def _candidates(
    keys: NDArray[np.int32], starts: NDArray[np.int32], width: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Positions in the sorted `keys` whose keys differ in at most two bits, each pair once.

    Of two different keys the one looks up the other in which the highest differing bit is not set.
    """
    everyone = np.arange(len(keys))
    for start in range(0, len(keys), _PASS):
        block = everyone[start : start + _PASS]
        yield from _ranges(block, block + 1, starts[keys[block] + 1])
    for top in range(width):
        lower = [1 << top | low for low in (0, *(1 << bit for bit in range(top)))]
        asking = np.flatnonzero(keys >> top & 1 == 0)
        for start in range(0, len(asking), _PASS):
            block = asking[start : start + _PASS]
            own = keys[block]
            for mask in lower:
                partner = own ^ np.int32(mask)
                yield from _ranges(block, starts[partner], starts[partner + 1])


def _ranges(
    left: NDArray[np.int64], first: NDArray[np.int64], end: NDArray[np.int32]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Each of `left` with everything from its `first` to before its `end`."""
    some = np.flatnonzero(first < end)
    left, right, end = left[some], first[some], end[some]
    while len(left):
        yield left, right
        right = right + 1
        some = np.flatnonzero(right < end)
        left, right, end = left[some], right[some], end[some]
