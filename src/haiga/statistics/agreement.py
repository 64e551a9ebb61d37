"""How far raters agree, beyond chance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import stats

from haiga.records import Score

Array: TypeAlias = np.ndarray
Scale: TypeAlias = Literal["nominal", "ordinal", "interval"]


def _nominal(values: Float[Array, " V"], totals: Float[Array, " V"]) -> Float[Array, "V V"]:
    return (values[:, None] != values[None, :]).astype(float)


def _ordinal(values: Float[Array, " V"], totals: Float[Array, " V"]) -> Float[Array, "V V"]:
    """Squared number of ratings between two values, half of each end counted."""
    middle = np.cumsum(totals) - totals / 2
    return (middle[:, None] - middle[None, :]) ** 2


def _interval(values: Float[Array, " V"], totals: Float[Array, " V"]) -> Float[Array, "V V"]:
    return (values[:, None] - values[None, :]) ** 2


DISTANCES: Final[dict[str, Callable[[Array, Array], Array]]] = {
    "nominal": _nominal,
    "ordinal": _ordinal,
    "interval": _interval,
}


def krippendorff_alpha(ratings: ArrayLike, scale: Scale = "ordinal") -> float:
    """Krippendorff's alpha (2011) of ratings of shape (raters, units), NaN where one is missing.

    1 - observed over expected disagreement, from the coincidences of values within units; units
    with fewer than two ratings do not count. 1 is agreement, 0 is chance, below is worse.

    Raises ValueError where no unit has two ratings, or all ratings are the same (alpha is then
    undefined: nothing shows that the raters can tell units apart).
    """
    table = np.asarray(ratings, dtype=float)
    if table.ndim != 2:
        raise ValueError(f"Ratings must be of shape (raters, units), not {table.shape}.")
    table = table[:, (~np.isnan(table)).sum(axis=0) >= 2]
    if table.size == 0:
        raise ValueError("Agreement needs at least one unit with two ratings; there is none.")
    values = np.unique(table[~np.isnan(table)])
    if values.size < 2:
        raise ValueError("Agreement is undefined where every rating is the same.")
    held = (table[None] == values[:, None, None]).sum(axis=1).astype(float)  # (values, units)
    per_unit = held.sum(axis=0)
    weighted = held / (per_unit - 1)
    coincidences = weighted @ held.T - np.diag(weighted.sum(axis=1))
    totals = coincidences.sum(axis=1)
    distances = DISTANCES[scale](values, totals)
    observed = (coincidences * distances).sum()
    expected = (np.outer(totals, totals) * distances).sum() / (totals.sum() - 1)
    return float(1 - observed / expected)


def weighted_kappa(a: ArrayLike, b: ArrayLike) -> float:
    """Cohen's kappa with quadratic weights of two raters' numbers (Cohen 1968).

    1 - mean squared difference on the same unit, over that of units paired at random. The weights
    are squared differences of the numbers themselves, so no list of categories is needed.
    """
    first, second = _pair(a, b)
    expected = first.var() + second.var() + (first.mean() - second.mean()) ** 2
    if expected == 0:
        raise ValueError("Agreement is undefined where every rating is the same.")
    return float(1 - np.mean((first - second) ** 2) / expected)


def agreement(
    measure: Callable[[Float[Array, "R U"]], float],
    ratings: ArrayLike,
    *,
    seed: int,
    resamples: int = 2_000,
    level: float = 0.95,
) -> Score:
    """A measure of agreement with a percentile bootstrap interval over units; n is the units.

    Args:
        measure: of ratings of shape (raters, units), as `krippendorff_alpha`.
        ratings: NaN where one is missing.
        seed: of the resamples. Those in which the measure is undefined are left out; where it
            nearly always is, the interval is everything that there is, -1 to 1.

    Raises ValueError where the measure does.
    """
    table = np.asarray(ratings, dtype=float)
    mean = measure(table)
    rng = np.random.default_rng(seed)
    units = table.shape[1]
    drawn = []
    for _ in range(resamples):
        try:
            drawn.append(measure(table[:, rng.integers(0, units, units)]))
        except ValueError:
            continue
    if len(drawn) < resamples / 2:
        return Score(mean, -1.0, 1.0, units)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Score(mean, float(low), float(high), units)


def spearman(
    a: ArrayLike, b: ArrayLike, *, seed: int, resamples: int = 2_000, level: float = 0.95
) -> Score:
    """Spearman's rank correlation with a percentile bootstrap interval over items.

    Resamples in which a column is constant have no correlation and are left out. Raises ValueError
    for fewer than three items, and for a constant column.
    """
    first, second = _pair(a, b)
    n = first.size
    if n < 3:
        raise ValueError(f"A rank correlation needs at least three items, not {n}.")
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        raise ValueError("A rank correlation is undefined where a column is constant.")
    drawn = np.random.default_rng(seed).integers(0, n, (resamples, n))
    rhos = _correlations(first[drawn], second[drawn])
    rhos = rhos[~np.isnan(rhos)]
    low, high = np.quantile(rhos, [(1 - level) / 2, (1 + level) / 2]) if rhos.size else (-1, 1)
    return Score(float(_correlations(first[None], second[None])[0]), float(low), float(high), n)


def _correlations(a: Float[Array, "R N"], b: Float[Array, "R N"]) -> Float[Array, " R"]:
    """Spearman's rho of each row; NaN for a constant one."""
    ranks = [stats.rankdata(side, axis=1) for side in (a, b)]
    first, second = (side - side.mean(axis=1, keepdims=True) for side in ranks)
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.divide(
        (first * second).sum(axis=1), scale, out=np.full(len(a), math.nan), where=scale > 0
    )


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if first.ndim != 1 or first.shape != second.shape or first.size == 0:
        raise ValueError(
            f"Two raters must have rated the same units, not {first.shape} and {second.shape}."
        )
    return first, second
