"""Who wins, and whether it is by length."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import expit, log_expit

_RIDGE = 1e-3
"""Of the coefficients, so that a rate of 0 or 1 has a finite logit."""


def length_controlled(wins: ArrayLike, lengths: ArrayLike) -> float:
    """The win rate that two answers of equal length would have (Dubois et al. 2024, 2404.04475).

    The logistic regression of a win (a tie is one half) on the tanh of the difference of lengths
    over its root mean square, read where the difference is 0; ridge 0.001, so that a rate of 0 or
    1 is drawn a little inwards. Without AlpacaEval's terms for models and prompts, since here two
    are compared on the same pictures.

    Raises:
        ValueError: columns of different lengths, or none.
    """
    won, longer = np.asarray(wins, dtype=float), np.asarray(lengths, dtype=float)
    if won.shape != longer.shape or won.ndim != 1 or won.size == 0:
        raise ValueError(
            f"Each answer needs its outcome and its length, not {won.shape} and {longer.shape}."
        )
    spread = float(np.sqrt(np.mean(longer**2)))
    feature = np.tanh(longer / spread) if spread else np.zeros_like(longer)

    def loss(at: np.ndarray) -> float:
        logit = at[0] + at[1] * feature
        fit = won * log_expit(logit) + (1 - won) * log_expit(-logit)
        return float(-fit.sum() + _RIDGE / 2 * (at @ at))

    return float(expit(minimize(loss, np.zeros(2), method="BFGS").x[0]))
