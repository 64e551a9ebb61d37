"""Which rows show the same pictures: by perceptual hash, which copies of one file share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from haiga.curation.hamming import near_pairs

_DIGITS: Final = 16
SAME_SIDE: Final = 8
"""Rows within this distance stay on one side of a split, also where they are too far apart to be
dropped: a row dropped by mistake is lost, a row kept with its likeness is not."""


def clusters(n: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The smallest index of each item's connected component: (n,)."""
    ones = np.ones(len(pairs), dtype=bool)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    first = np.full(n, n, dtype=np.int64)
    np.minimum.at(first, labels, np.arange(n))
    return first[labels]


def survivors(n: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each item the earlier survivor that makes it a duplicate, or -1 where it survives: (n,).

    `pairs` are (earlier, later). Greedy in order: an item falls only to a *survivor* near it, so a
    chain of small changes (a film) never loses all its members.
    """
    of = [-1] * n
    # Item by item: whoever could make it fall has been decided by then.
    for low, high in pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))].tolist():
        if of[high] < 0 and of[low] < 0:
            of[high] = low
    return np.array(of, dtype=np.int64)


def find(
    rows: Sequence[Sequence[str]], distance: int, fine: int | None = None
) -> tuple[list[int], list[int]]:
    """Which rows only repeat an earlier one, and which belong together.

    Args:
        rows: the perceptual hashes, 16 hex digits each, of the pictures of each row; at least one.
            Where `fine` is asked, the 64 digits of the finer hash stand behind each.
        distance: hashes that differ in at most so many bits are the same picture; where it is
            below 0 none are, and rows are only clustered.
        fine: in how many of its 256 bits the finer hash may differ besides.

    Returns:
        For each row the earlier surviving row that shows *all* its pictures (-1: there is none),
        and its cluster: the first of the rows that are linked by *any* picture, at a distance of
        at most `SAME_SIDE` or `distance`, whichever is larger.
    """
    keys = [tuple(row) for row in rows]
    # Rows of equal hashes count as one, or ten thousand placeholders would make 5e7 pairs.
    seen = {key: at for at, key in reversed(list(enumerate(keys)))}
    kinds = {key: n for n, key in enumerate(dict.fromkeys(keys))}
    first = [seen[key] for key in kinds]
    repeats, linked = _links(list(kinds), distance, fine)
    of, cluster = survivors(len(kinds), repeats), clusters(len(kinds), linked)
    twins = []
    for at, key in enumerate(keys):
        kind = kinds[key]
        original = first[kind] if of[kind] < 0 else first[of[kind]]
        twins.append(-1 if original == at or distance < 0 else original)
    return twins, [first[cluster[kinds[key]]] for key in keys]


def coarse(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """The perceptual hashes as numbers, whatever stands behind them: (N,)."""
    return np.array([int(value[:_DIGITS], 16) for value in hashes], dtype=np.uint64)


def _finer(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """The finer hashes that stand behind them: (N, 4)."""
    data = b"".join(bytes.fromhex(value[_DIGITS:]) for value in hashes)
    return np.frombuffer(data, dtype=np.uint64).reshape(len(hashes), 4)


def _links(
    rows: Sequence[Sequence[str]], distance: int, fine: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (earlier, later) of rows: the later shows nothing new; the two share a likeness."""
    sizes = np.array([len(row) for row in rows], dtype=np.int64)
    owner = np.repeat(np.arange(len(rows)), sizes)
    told = [value for row in rows for value in row]
    hashes = coarse(told)
    pictures = near_pairs(hashes, max(distance, SAME_SIDE))
    pairs = owner[pictures]
    apart = pairs[:, 0] != pairs[:, 1]
    same = np.bitwise_count(hashes[pictures[:, 0]] ^ hashes[pictures[:, 1]]) <= distance
    if fine is not None:
        finer = _finer(told)
        apart_by = np.bitwise_count(finer[pictures[:, 0]] ^ finer[pictures[:, 1]])
        same &= apart_by.sum(axis=1, dtype=np.int64) <= fine
    # (earlier row, later row, picture of the later): once each, however many pictures it is near.
    shown = np.unique(np.column_stack([pairs, pictures[:, 1]])[apart & same], axis=0)
    repeats, count = np.unique(shown[:, :2], axis=0, return_counts=True)
    return repeats[count == sizes[repeats[:, 1]]], pairs[apart]


def linked(
    rows: Sequence[Sequence[int]], pairs: NDArray[np.int64], labels: Sequence[str]
) -> tuple[list[int], list[int]]:
    """As `find`, of pictures of which it is known which are alike.

    Args:
        rows: the pictures of each row, as places in a list of different pictures.
        pairs: of those places, (P, 2): pictures that are alike.
        labels: rows of one label belong together already.
    """
    holders: defaultdict[int, list[int]] = defaultdict(list)
    for row, pictures in enumerate(rows):
        for picture in pictures:
            holders[picture].append(row)
    shown: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for pair in pairs.tolist():
        for one, other in (pair, pair[::-1]):
            for early, late in product(holders[one], holders[other]):
                if early < late:
                    shown[early, late].add(other)
    repeats = [
        (early, late)
        for (early, late), like in shown.items()
        if like | (set(rows[early]) & set(rows[late])) == set(rows[late])
    ]
    first = {label: row for row, label in reversed(list(enumerate(labels)))}
    links = [*shown, *((first[label], row) for row, label in enumerate(labels))]
    found = clusters(len(rows), np.array(links, dtype=np.int64).reshape(-1, 2))
    fallen = survivors(len(rows), np.array(repeats, dtype=np.int64).reshape(-1, 2))
    return fallen.tolist(), found.tolist()
