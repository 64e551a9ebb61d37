"""How far a style critic can be trusted, on texts that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from haiga.errors import DataError
from haiga.records import Score
from haiga.rewards.critic import Critic, probabilities
from haiga.statistics.intervals import bootstrap_mean

Array: TypeAlias = np.ndarray

BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """The texts of which a critic is about equally sure."""

    confidence: float
    """The mean probability of the style that it calls each."""
    accuracy: float
    """How often it is right."""
    n: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """What a critic is worth."""

    f1: Score
    """The mean of the styles' F1."""
    accuracy: Score
    calibration_error: Score
    """The mean distance of accuracy from confidence, over `curve`."""
    curve: tuple[Bin, ...]
    """Ten equal widths of confidence, the lowest first, without empty ones."""
    ceiling: dict[str, Score]
    """Style -> what these texts score in it: see `style_scores`."""


def reliability(
    critic: Critic,
    texts: Sequence[str],
    styles: Sequence[str],
    clusters: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> Reliability:
    """F1, accuracy, calibration and ceiling on held-out `texts` of people or poets.

    Raises:
        DataError: no text, or a style that the critic does not know.
    """
    shares, truth = probabilities(critic, texts), _places(critic, styles)
    called, sure = shares.argmax(axis=1), shares.max(axis=1)
    return Reliability(
        f1=macro_f1(called, truth, clusters, seed=seed),
        accuracy=bootstrap_mean(called == truth, clusters, seed=seed),
        calibration_error=calibration_error(sure, called == truth, clusters, seed=seed),
        curve=reliability_curve(sure, called == truth),
        ceiling=style_scores(critic, texts, styles, clusters, seed=seed),
    )


def style_scores(
    critic: Critic,
    texts: Sequence[str],
    styles: Sequence[str],
    clusters: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> dict[str, Score]:
    """The mean probability of the style that each text is meant to be in, style by style.

    Of held-out texts by people or poets it is the ceiling, to which a model's are compared.

    Raises:
        DataError: no text, or a style that the critic does not know.
    """
    shares, truth = probabilities(critic, texts), _places(critic, styles)
    own = shares[np.arange(len(truth)), truth]
    scores = {}
    for place in np.unique(truth):
        chosen = np.flatnonzero(truth == place).tolist()
        groups = None if clusters is None else [clusters[at] for at in chosen]
        scores[critic.styles[place]] = _share(bootstrap_mean(own[chosen], groups, seed=seed))
    return scores


def macro_f1(
    called: Int[Array, " N"],
    truth: Int[Array, " N"],
    clusters: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> Score:
    """The mean F1 of the styles in `truth`, with the interval of a mean of linearised values.

    F1 is a ratio of sums over texts, 2 TP / (2 TP + FP + FN); to first order, a text moves the mean
    of the ratios A/B by (a - b A/B) / B in each, so that those moves, N times, can be bootstrapped
    as any column (Woodruff 1971).
    """
    kinds = np.unique(truth)[:, None]
    above = 2.0 * ((called == kinds) & (truth == kinds))
    below = 1.0 * (called == kinds) + (truth == kinds)
    ratios, totals = above.sum(1) / below.sum(1), below.sum(1)
    moves = ((above - ratios[:, None] * below) / totals[:, None]).mean(axis=0) * len(truth)
    return _share(bootstrap_mean(ratios.mean() + moves, clusters, seed=seed))


def calibration_error(
    confidence: Float[Array, " N"],
    right: Bool[Array, " N"],
    clusters: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> Score:
    """The mean distance of accuracy from confidence, bin by bin (ECE, Naeini et al. 2015).

    It is the mean of the texts' (right - confidence), each with the sign that its bin has in all;
    with the signs held, its interval is that of a mean. Of few texts it is too large: chance alone
    moves every bin away from its confidence.
    """
    gaps, bins = right - confidence, _bins(confidence)
    signs = np.sign(np.bincount(bins, gaps, minlength=BINS))
    return _share(bootstrap_mean(signs[bins] * gaps, clusters, seed=seed))


def reliability_curve(confidence: Float[Array, " N"], right: Bool[Array, " N"]) -> tuple[Bin, ...]:
    """Accuracy against confidence in ten equal widths of confidence."""
    at = _bins(confidence)
    return tuple(
        Bin(float(confidence[at == bin].mean()), float(right[at == bin].mean()), int(n))
        for bin, n in enumerate(np.bincount(at, minlength=BINS))
        if n
    )


def _bins(confidence: Float[Array, " N"]) -> Int[Array, " N"]:
    return np.minimum((confidence * BINS).astype(int), BINS - 1)


def _share(score: Score) -> Score:
    """The score of something that lies between 0 and 1, and its interval with it."""
    return replace(score, low=max(0.0, score.low), high=min(1.0, score.high))


def _places(critic: Critic, styles: Sequence[str]) -> Int[Array, " N"]:
    """The columns of the styles that texts are meant to be in."""
    if not styles:
        raise DataError("A critic is judged by texts of known styles; there are none.")
    for style in styles:
        if style not in critic.styles:
            raise DataError(
                f"The critic knows no style {style!r}; it knows: "
                f"{', '.join(known for known in critic.styles if known)}."
            )
    return np.array([critic.styles.index(style) for style in styles])
