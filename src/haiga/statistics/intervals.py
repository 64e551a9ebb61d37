"""Confidence intervals of means, shares and ratios, by items or by clusters of items.

Items of one cluster (one picture, one series) are not independent: it is clusters that are
resampled and counted. A mean is a ratio whose denominators are one, so there is one bootstrap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy import stats

from haiga.records import Score

Array: TypeAlias = np.ndarray

FEW_CLUSTERS: Final = 10
CHUNK: Final = 4_000_000


def wilson(successes: int, n: int, level: float = 0.95) -> Score:
    """A share with the score interval of Wilson (1927), honest at 0 and at n successes.

    Raises ValueError without trials, or with more successes than trials.
    """
    if n < 1:
        raise ValueError("A share needs at least one trial; there are none.")
    if not 0 <= successes <= n:
        raise ValueError(f"There cannot be {successes} successes in {n} trials.")
    low, high = _wilson(successes / n, n, level)
    return Score(successes / n, low, high, n)


def exact(successes: int, n: int, level: float = 0.95) -> Score:
    """A share with the interval of Clopper and Pearson (1934), which never covers too rarely.

    For few trials, where a claim hangs on it; `wilson` is nearer to its level on the average.
    Raises ValueError as `wilson` does.
    """
    share = wilson(successes, n, level)
    tail = (1 - level) / 2
    low = stats.beta.ppf(tail, successes, n - successes + 1) if successes else 0.0
    high = stats.beta.isf(tail, successes + 1, n - successes) if successes < n else 1.0
    return Score(share.mean, float(low), float(high), n)


def bootstrap_mean(
    values: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    seed: int,
    resamples: int = 10_000,
    level: float = 0.95,
) -> Score:
    """The mean of `values` with an interval; see `bootstrap_ratio`."""
    numerators = _column(values, "values")
    ones = np.ones_like(numerators)
    return bootstrap_ratio(numerators, ones, clusters, seed=seed, resamples=resamples, level=level)


def bootstrap_ratio(
    numerators: ArrayLike,
    denominators: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    seed: int,
    resamples: int = 10_000,
    level: float = 0.95,
) -> Score:
    """sum(numerators) / sum(denominators) of a corpus, with an interval; n is the number of items.

    Precision is hits over claims; F1 is 2 TP over 2 TP + FP + FN of each item. The interval is:

    * the expanded percentile interval of the cluster bootstrap (Hesterberg 2015): the percentiles
      are those of Student's t for C clusters, widened by sqrt(C / (C - 1)). Plain percentiles are
      too narrow on small samples; BCa mends skewness, which is the lesser fault of means here, and
      fails where the jackknife does not vary;
    * below 10 clusters, too few to resample, Student's t on the clustered standard error;
    * where no cluster differs from another, or there is one only: Wilson's with one trial a
      cluster, if the ratio is a share of counts (all right of 5 is not surely all right); else the
      point itself, and for one cluster (-inf, inf): one observation says nothing of its spread.

    Resamples without a denominator are left out. Raises ValueError for no items, values that are
    not finite, columns of different lengths, and denominators that sum to zero.
    """
    above, below = _column(numerators, "numerators"), _column(denominators, "denominators")
    above, below = _by_cluster(above, below, _codes(clusters, above.size))
    n = np.size(numerators)
    if below.sum() == 0:
        raise ValueError("A ratio needs a denominator; all denominators are zero.")
    ratio = float(above.sum() / below.sum())
    is_share = bool(np.all((above >= 0) & (above <= below) & (above % 1 == 0) & (below % 1 == 0)))
    count = int(np.count_nonzero(below))
    spread = _ratio_error(above, below)
    if count == 1 or spread == 0:
        if is_share:
            low, high = _wilson(ratio, count, level)
        else:
            low, high = (-math.inf, math.inf) if count == 1 else (ratio, ratio)
    elif count < FEW_CLUSTERS:
        reach = float(stats.t.ppf((1 + level) / 2, count - 1)) * spread
        low, high = ratio - reach, ratio + reach
        if is_share:
            low, high = max(0.0, low), min(1.0, high)
    else:
        low, high = _expanded_percentiles(above, below, seed, resamples, level)
    return Score(ratio, low, high, n)


def bootstrap_counts(
    counts: Float[Array, "N K"],
    statistic: Callable[[Float[Array, "R K"]], Float[Array, " R"]],
    clusters: Sequence[Hashable] | None = None,
    *,
    bounds: tuple[float, float],
    seed: int,
    resamples: int = 10_000,
) -> Score:
    """A statistic of summed counts that is no ratio of sums (Matthews' correlation, a mean of
    several F1), with its 95 % interval: the expanded percentiles of the cluster bootstrap.

    Args:
        counts: what each item adds to each of K counts.
        statistic: of R rows of summed counts.
        clusters: of the items; each stands alone where none are given.
        bounds: what the statistic can be at least and at most; one cluster alone says no more.
        seed: of the resampling.
        resamples: how many.
    """
    codes = _codes(clusters, len(counts))
    summed = np.stack([np.bincount(codes, column) for column in counts.T], axis=1)
    mean, count = float(statistic(summed.sum(axis=0)[None])[0]), len(summed)
    if count == 1:
        return Score(mean, *bounds, len(counts))
    rng, drawn = np.random.default_rng(seed), []
    rows = max(1, CHUNK // count)
    for start in range(0, resamples, rows):
        weights = rng.multinomial(count, np.full(count, 1 / count), min(rows, resamples - start))
        drawn.append(statistic(weights @ summed))
    low, high = np.quantile(np.concatenate(drawn), _tails(count, 0.95))
    if low == high:
        # Nothing varies: as far towards either bound as so many clusters could have missed.
        missed = wilson(0, count).high
        low, high = mean - missed * (mean - bounds[0]), mean + missed * (bounds[1] - mean)
    return Score(mean, max(bounds[0], float(low)), min(bounds[1], float(high)), len(counts))


def standard_error(values: ArrayLike, clusters: Sequence[Hashable] | None = None) -> float:
    """The clustered standard error of a mean, with the factor C / (C - 1); inf for one cluster.

    Without clusters it is the usual sd / sqrt(n).
    """
    column = _column(values, "values")
    return _ratio_error(*_by_cluster(column, np.ones_like(column), _codes(clusters, column.size)))


def count_clusters(clusters: Sequence[Hashable] | None, n: int) -> int:
    """The number of independent units among `n` items."""
    return int(_codes(clusters, n).max()) + 1


def _wilson(share: float, n: int, level: float) -> tuple[float, float]:
    z = float(stats.norm.ppf((1 + level) / 2))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At 0 and 1 the interval reaches the end exactly; floating point would stop just short.
    low = 0.0 if share == 0 else max(0.0, centre - reach)
    high = 1.0 if share == 1 else min(1.0, centre + reach)
    return low, high


def _column(values: ArrayLike, name: str) -> Float[Array, " N"]:
    column = np.asarray(values, dtype=float)
    if column.ndim != 1:
        raise ValueError(f"The {name} must be one column, not of shape {column.shape}.")
    if column.size == 0:
        raise ValueError(f"An interval needs at least one item; there are no {name}.")
    if not np.isfinite(column).all():
        bad = int(np.flatnonzero(~np.isfinite(column))[0])
        raise ValueError(f"The {name} must be finite; item {bad} is {column[bad]}.")
    return column


def _codes(clusters: Sequence[Hashable] | None, n: int) -> Int[Array, " N"]:
    """0, 1, 2, … for the clusters in order of appearance, so that names do not matter."""
    if clusters is None:
        return np.arange(n)
    if len(clusters) != n:
        raise ValueError(f"There are {n} items but {len(clusters)} clusters; give one for each.")
    order: dict[Hashable, int] = {}
    return np.array([order.setdefault(cluster, len(order)) for cluster in clusters])


def _by_cluster(
    above: Float[Array, " N"], below: Float[Array, " N"], codes: Int[Array, " N"]
) -> tuple[Float[Array, " C"], Float[Array, " C"]]:
    if not above.size == below.size == codes.size:
        raise ValueError(
            f"There are {above.size} numerators but {below.size} denominators; give one for each."
        )
    return np.bincount(codes, above), np.bincount(codes, below)


def _ratio_error(above: Float[Array, " C"], below: Float[Array, " C"]) -> float:
    """The linearised standard error of a ratio of sums over clusters (delta method)."""
    count = above.size
    if count < 2:
        return math.inf
    rest = above - below * (above.sum() / below.sum())
    # A constant column leaves rounding dust; it is no spread.
    if np.abs(rest).max() <= 1e-12 * max(1.0, np.abs(above).max()):
        return 0.0
    return float(np.sqrt(count / (count - 1) * np.sum(rest**2)) / abs(below.sum()))


def _expanded_percentiles(
    above: Float[Array, " C"], below: Float[Array, " C"], seed: int, resamples: int, level: float
) -> tuple[float, float]:
    count = above.size
    rng = np.random.default_rng(seed)
    ratios = []
    rows = max(1, CHUNK // count)
    for start in range(0, resamples, rows):
        drawn = rng.integers(0, count, (min(rows, resamples - start), count), dtype=np.int32)
        tops, bottoms = above[drawn].sum(axis=1), below[drawn].sum(axis=1)
        usable = bottoms != 0
        ratios.append(tops[usable] / bottoms[usable])
    low, high = np.quantile(np.concatenate(ratios), _tails(count, level))
    return float(low), float(high)


def _tails(count: int, level: float) -> list[float]:
    """The two quantiles of the expanded percentile interval of `count` clusters."""
    reach = math.sqrt(count / (count - 1)) * stats.t.ppf((1 + level) / 2, count - 1)
    tail = float(stats.norm.cdf(-reach))
    return [tail, 1 - tail]
