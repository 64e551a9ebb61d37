"""How well a score puts some items above others."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from haiga.records import Score
from haiga.statistics.intervals import bootstrap_mean


def placements(
    above: Float[np.ndarray, " P"], below: Float[np.ndarray, " Q"]
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, " Q"]]:
    """For each of `above` the share of `below` that it exceeds, and for each of `below` the share
    of `above` that exceeds it; ties count half. The mean of either is the AUC (DeLong et al. 1988).
    """
    ranks = rankdata(np.concatenate([above, below]))
    p, q = len(above), len(below)
    return (ranks[:p] - rankdata(above)) / q, 1 - (ranks[p:] - rankdata(below)) / p


def paired_auc(
    above: ArrayLike,
    below: ArrayLike,
    clusters: Sequence[Hashable],
    folds: Sequence[int],
    *,
    seed: int,
) -> Score:
    """The AUC of pairs: how probably a score puts some `above` over some `below`; n is the pairs.

    Pair i is above[i] and below[i]. Scores are compared inside a fold only, since those of two
    models have no common scale, and the folds are averaged by their size. The interval is that of
    a mean of each pair's placements, by clusters of pairs (Obuchowski 1997).

    Raises ValueError for no pairs, or columns of different lengths.
    """
    high, low = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    values = np.zeros(high.size)
    means = np.zeros(high.size)
    of = np.asarray(folds)
    for fold in np.unique(of):
        here = of == fold
        one, other = placements(high[here], low[here])
        values[here], means[here] = one + other, one.mean()
    # What a pair adds to the mean of its fold, to first order.
    score = bootstrap_mean(values - means, clusters, seed=seed)
    return replace(score, low=max(0.0, score.low), high=min(1.0, score.high))
