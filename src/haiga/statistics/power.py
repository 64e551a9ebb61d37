"""How small a difference a number of items can show."""

from __future__ import annotations

import math

from scipy import stats


def detectable(
    standard_error: float,
    degrees: float = math.inf,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
) -> float:
    """The smallest true difference that a two-sided test sees with this `power`.

    (t_{1 - alpha/2} + t_{power}) * SE, with the quantiles of Student's t at `degrees` of freedom
    (the normal ones by default). Infinite with less than one degree of freedom.
    """
    if degrees < 1:
        return math.inf
    quantiles = stats.t.ppf([1 - alpha / 2, power], degrees)
    return float(quantiles.sum()) * standard_error


def detectable_difference(sd: float, n: int, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest mean paired difference that `n` items show, whose differences vary by `sd`.

    For two yes-or-no columns `sd` is at most the root of the share of items on which they differ.
    """
    if n < 1:
        raise ValueError(f"A comparison needs at least one item, not {n}.")
    return detectable(sd / math.sqrt(n), power=power, alpha=alpha)


def items_needed(difference: float, sd: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """The number of items with which `detectable_difference` is at most `difference`."""
    if difference <= 0:
        raise ValueError(f"The difference to be seen must be positive, not {difference}.")
    return max(1, math.ceil((detectable(sd, power=power, alpha=alpha) / difference) ** 2))
