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
