"""Did it move, or did it surely stay? Two columns of values on the same items, item by item."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import stats

from haiga.records import Score
from haiga.statistics import intervals, power

LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True)
class Comparison:
    """The paired difference mean(b) - mean(a), with what can be said about it."""

    difference: float
    low: float
    high: float
    """The 95 % interval of the difference."""
    n: int
    p: float
    """Two-sided: exact McNemar for yes-or-no values, else paired t on clusters."""
    moved: bool
    """p < 0.05 and the interval is free of zero."""
    detectable: float
    """The smallest true difference that would be seen at 80 % power and 5 % error."""


def difference(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    seed: int,
    resamples: int = 10_000,
    share: bool = False,
) -> Comparison:
    """From `a` to `b`, item i of one against item i of the other.

    The interval is `intervals.bootstrap_mean` of the differences. `share` says that both means are
    shares, as those of yes-or-no values are in any case: they differ by at most one, and where all
    differences are the same, the interval is Wilson's bound on what C clusters could have missed.
    For other values it is then the point. p is then that of a sign test, 2^(1 - C). A single
    cluster never moves. Raises ValueError for empty columns or columns of different lengths.
    """
    before, after = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if before.shape != after.shape:
        raise ValueError(
            f"Paired columns must be of one length, not {before.size} and {after.size}."
        )
    deltas = after - before
    score = intervals.bootstrap_mean(deltas, clusters, seed=seed, resamples=resamples, level=LEVEL)
    count = intervals.count_clusters(clusters, deltas.size)
    error = intervals.standard_error(deltas, clusters)
    binary = bool(np.isin(before, (0, 1)).all() and np.isin(after, (0, 1)).all())
    p = _mcnemar(deltas) if binary and count == deltas.size else _paired_t(deltas, error, count)
    low, high = score.low, score.high
    share = share or binary
    if share:
        low, high, error = _bounded(score, error, count)
    elif error == 0 and count > 1:
        low = high = score.mean  # differences of all 0 or all 1 would pass for shares
    seen = power.detectable(error, count - 1)
    return Comparison(
        difference=score.mean,
        low=low,
        high=high,
        n=deltas.size,
        p=p,
        moved=p < 1 - LEVEL and not low <= 0 <= high,
        # Shares cannot differ by more than one: so few items show nothing at all.
        detectable=math.inf if share and seen > 1 else seen,
    )


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Whether the paired difference mean(b) - mean(a) is too small to matter."""

    difference: float
    low: float
    high: float
    """The 90 % interval, which lies within the margin exactly where `holds`."""
    p: float
    """Of the harder of the two one-sided tests."""
    holds: bool


def equivalence(
    a: ArrayLike, b: ArrayLike, clusters: Sequence[Hashable] | None = None, *, margin: float
) -> Equivalence:
    """Two one-sided t-tests on clusters (Schuirmann 1987): |mean(b) - mean(a)| < margin.

    That no difference was seen does not show that there is none; this can show that there is none
    of the size of `margin`, which must be chosen before anything is seen. Where no cluster differs
    from another, p is that of a sign test, 2^-C; a single cluster shows nothing.

    Raises:
        ValueError: columns of different lengths, or a margin that is not above 0.
    """
    before, after = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if before.shape != after.shape:
        raise ValueError(
            f"Paired columns must be of one length, not {before.size} and {after.size}."
        )
    if not margin > 0:
        raise ValueError(f"A difference that does not matter is above 0, not {margin}.")
    deltas = after - before
    mean, error = float(deltas.mean()), intervals.standard_error(deltas, clusters)
    count = intervals.count_clusters(clusters, deltas.size)
    if count == 1:
        return Equivalence(mean, -math.inf, math.inf, 1.0, False)
    room = margin - abs(mean)
    if error == 0:
        p = 2.0**-count if room > 0 else 1.0
        return Equivalence(mean, mean, mean, p, p < 1 - LEVEL)
    reach = float(stats.t.ppf(LEVEL, count - 1)) * error
    p = float(stats.t.sf(room / error, count - 1))
    return Equivalence(mean, mean - reach, mean + reach, p, p < 1 - LEVEL)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number, in the order given (Holm 1979).

    The k-th smallest of m is multiplied by m - k + 1, never below the one before it, at most 1.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)))
    return [float(value) for value in adjusted]


def sentence(comparison: Comparison, name: str, a: float, b: float) -> str:
    """What a comparison says, in words; `a` and `b` are the two means.

    "season moved from 0.24 to 0.97 (+0.73, 95 % CI 0.66 to 0.79, n = 200)", or "form did not move
    (0.61 to 0.63, +0.02, 95 % CI -0.03 to 0.07; a difference below 0.06 would not be seen with
    n = 200)". The width of the interval decides the number of decimals.
    """
    places = _decimals(comparison.high - comparison.low)
    change = f"{comparison.difference:+.{places}f}"
    interval = f"95 % CI {comparison.low:.{places}f} to {comparison.high:.{places}f}"
    means = f"{a:.{places}f} to {b:.{places}f}"
    if comparison.moved:
        return f"{name} moved from {means} ({change}, {interval}, n = {comparison.n})"
    unseen = (
        "no difference could be seen"
        if math.isinf(comparison.detectable)
        else f"a difference below {comparison.detectable:.{places}f} would not be seen"
    )
    return f"{name} did not move ({means}, {change}, {interval}; {unseen} with n = {comparison.n})"


def _bounded(score: Score, error: float, count: int) -> tuple[float, float, float]:
    """Interval and error of a difference of shares, also where the items do not vary.

    Then up to Wilson's bound of `count` units may still be of another kind; such a unit moves the
    mean by one where the difference is 0, by two where it is 1 or -1.
    """
    low, high = score.low, score.high
    if count == 1 or error == 0:
        missed = intervals.wilson(0, count, LEVEL).high
        reach = missed * (1 + abs(score.mean))
        low, high = score.mean - reach, score.mean + reach
        error = math.sqrt(missed / count)
    return max(-1.0, low), min(1.0, high), error


def _mcnemar(deltas: Float[np.ndarray, " N"]) -> float:
    """The exact binomial test on the items that changed (McNemar 1947); 1 where none did."""
    up, down = int((deltas > 0).sum()), int((deltas < 0).sum())
    return float(stats.binomtest(up, up + down).pvalue) if up + down else 1.0


def _paired_t(deltas: Float[np.ndarray, " N"], error: float, count: int) -> float:
    mean = float(deltas.mean())
    if mean == 0 or count == 1:
        return 1.0
    if error == 0:
        return 2.0 ** (1 - count)
    return float(2 * stats.t.sf(abs(mean) / error, count - 1))


def _decimals(width: float) -> int:
    """Two, and more where the interval would otherwise have fewer than two figures."""
    if not 0 < width < math.inf:
        return 2
    return min(6, max(2, 1 - math.floor(math.log10(width))))
