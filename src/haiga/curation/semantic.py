"""Pictures that show the same thing: pairs of vectors whose cosine is high.

SemDeDup (Abbas et al. 2023) drops whatever has any earlier picture near it, which empties a chain
of small changes; here pairs are found, and `duplicates.survivors` decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

EXACT: Final = 30_000
"""Up to so many, all are compared with all (n² D operations)."""
GOAL: Final = 0.99
"""The share of pairs that clusters must find."""
_SAMPLE: Final = 1000
"""Pictures that are compared with all, to know that share."""
_BLOCK: Final = 2048
_TRAINED_ON: Final = 100
"""Pictures for each cluster that the clusters are made of."""


@dataclass(frozen=True)
class Near:
    """Pairs that are alike, and how they were found."""

    pairs: NDArray[np.int64]
    """(P, 2), each i < j, in order."""
    clusters: int
    """0 where all were compared with all."""
    probes: int
    """The nearest clusters in which each was looked for."""
    found: int
    true: int
    """Of the `true` pairs of a sample of pictures with all others, so many were `found`."""


def near(vectors: Float[np.ndarray, "N D"], cosine: float, *, seed: int = 0) -> Near:
    """All pairs of unit vectors whose cosine is at least `cosine`, or nearly all of many.

    More than `EXACT` vectors are put into about sqrt(N) clusters by k-means, and each is compared
    with those of its nearest clusters: of 2, and of twice as many until at least `GOAL` of the
    pairs of a sample are found that a comparison with all finds.
    """
    if len(vectors) <= EXACT:
        pairs = _ordered([_above(vectors, vectors, cosine)])
        return Near(pairs, 0, 0, len(pairs), len(pairs))
    sample = np.random.default_rng(seed).permutation(len(vectors))[:_SAMPLE]
    places = _above(vectors[sample], vectors, cosine)
    true = _ordered([np.column_stack([sample[places[:, 0]], places[:, 1]])])
    centres = _centres(vectors, round(len(vectors) ** 0.5), seed)
    probes = 2
    while True:
        pairs = _ordered(list(_clustered(vectors, cosine, centres, probes)))
        found = len(_common(true, pairs, len(vectors)))
        if found >= GOAL * len(true) or probes >= len(centres):
            return Near(pairs, len(centres), probes, found, len(true))
        probes *= 2


def _above(
    rows: Float[np.ndarray, "N D"], columns: Float[np.ndarray, "M D"], cosine: float
) -> NDArray[np.int64]:
    """(row, column) of every product that is at least `cosine`."""
    found = [np.zeros((0, 2), dtype=np.int64)]
    tensors = [torch.from_numpy(np.ascontiguousarray(each)) for each in (rows, columns)]
    for top, some in enumerate(tensors[0].split(_BLOCK)):
        for left, others in enumerate(tensors[1].split(_BLOCK)):
            if rows is columns and left < top:
                continue
            places = torch.nonzero(some @ others.T >= cosine).numpy()
            found.append(places + np.array([top * _BLOCK, left * _BLOCK]))
    return np.concatenate(found)


def _ordered(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Different pairs i < j, each once."""
    pairs = np.sort(np.concatenate([np.zeros((0, 2), dtype=np.int64), *parts]), axis=1)
    return np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)


def _common(one: NDArray[np.int64], other: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return np.intersect1d(one[:, 0] * n + one[:, 1], other[:, 0] * n + other[:, 1])


def _centres(
    vectors: Float[np.ndarray, "N D"], clusters: int, seed: int
) -> Float[np.ndarray, "K D"]:
    from sklearn.cluster import MiniBatchKMeans  # a second that few sets need

    some = np.random.default_rng(seed).permutation(len(vectors))[: clusters * _TRAINED_ON]
    made = MiniBatchKMeans(clusters, random_state=seed, n_init=1, batch_size=4096)
    return np.asarray(made.fit(vectors[some]).cluster_centers_, dtype=vectors.dtype)


def _clustered(
    vectors: Float[np.ndarray, "N D"],
    cosine: float,
    centres: Float[np.ndarray, "K D"],
    probes: int,
) -> Iterator[NDArray[np.int64]]:
    """The pairs of which one lies in its own cluster and the other looks there."""
    # The nearest by distance, as k-means has it: |x - c|² = 1 - 2 x.c + |c|²; the first is its own.
    away = (centres**2).sum(axis=1)
    nearest = np.concatenate([
        np.argsort(away - 2 * some @ centres.T, axis=1)[:, :probes]
        for some in np.array_split(vectors, len(vectors) // _BLOCK + 1)
    ])  # fmt: skip
    home = nearest[:, 0]
    order = np.argsort(home, kind="stable")
    starts = np.searchsorted(home[order], np.arange(len(centres) + 1))
    visits = np.argsort(nearest.ravel(), kind="stable")
    visited = np.searchsorted(nearest.ravel()[visits], np.arange(len(centres) + 1))
    for at in range(len(centres)):
        inside = order[starts[at] : starts[at + 1]]
        looking = visits[visited[at] : visited[at + 1]] // nearest.shape[1]
        places = _above(vectors[looking], vectors[inside], cosine)
        yield np.column_stack([looking[places[:, 0]], inside[places[:, 1]]])
