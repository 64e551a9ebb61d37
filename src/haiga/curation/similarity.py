"""How alike a picture and a text are, and what that number is worth for one encoder on one set.

A cosine belongs to one encoder, its preprocessing and its precision: 0.28 is a usual value for one
CLIP and says nothing about another. What can be carried over is how many *shuffled* pairs, of a
picture and the text of another, would pass: the rate of false accepts.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from haiga.statistics.intervals import wilson

SAMPLE: Final = 1000
"""Pairs that are shuffled with each other, and the gallery of the retrieval check."""
TOP: Final = 10
"""The right text must be among so many of `SAMPLE`; of a smaller gallery, among the same share."""
ENOUGH: Final = 0.8
"""The share of pictures that must find their text; below it the set, or the encoder, is doubted."""

Bound: TypeAlias = float | Mapping[str, float]
"""A cosine, or {"false_accepts": the share of shuffled pairs that may reach it}."""
Bounds: TypeAlias = tuple[float | None, float | None]
"""The cosines above which a text enters and below which it goes; None where none could be set."""


class Calibration(NamedTuple):
    """What an encoder says of pairs that belong together and of pairs that do not."""

    own: Float[np.ndarray, " N"]
    """Cosines of pictures and their own texts, ascending."""
    shuffled: Float[np.ndarray, " M"]
    """Cosines of pictures and the texts of others, ascending."""


def calibrate(
    pictures: Float[np.ndarray, "N D"],
    texts: Float[np.ndarray, "N D"],
    words: Sequence[str],
    clusters: Sequence[Hashable],
) -> Calibration:
    """Every picture with every text: the diagonal are own pairs, the rest shuffled ones.

    A text that is the same in words, or of a picture of the same cluster, is no stranger's and is
    left out.
    """
    cosines = pictures @ texts.T
    strange = np.ones(cosines.shape, dtype=bool)
    for names in (words, clusters):
        _, number = np.unique(np.array([str(name) for name in names]), return_inverse=True)
        strange &= number[:, None] != number[None, :]
    return Calibration(np.sort(cosines.diagonal()), np.sort(cosines[strange]))


def threshold(shuffled: Float[np.ndarray, " M"], rate: float) -> float | None:
    """The least cosine that at most a share `rate` of shuffled pairs reaches.

    None where there are too few pairs for one of them to be that share.
    """
    may_pass = math.floor(rate * len(shuffled))
    if may_pass < 1:
        return None
    return float(np.nextafter(shuffled[-may_pass - 1], np.float32(np.inf)))


def share_at(ascending: Float[np.ndarray, " M"], cosine: float | None) -> float | None:
    """The share of pairs at or above a cosine; None where there are no pairs, or no cosine."""
    if cosine is None or not len(ascending):
        return None
    reach = len(ascending) - int(np.searchsorted(ascending, cosine, side="left"))
    return reach / len(ascending)


def gates(found: Calibration, enter: Bound, reject: Bound) -> tuple[Bounds, dict[str, Any]]:
    """The two gates as cosines, and for each which share of own and of shuffled pairs reaches it.

    So that a fixed cosine is known for what it is, and a rate for the cosine that it comes to.
    """
    bounds = (_bound(enter, found.shuffled), _bound(reject, found.shuffled))
    facts: dict[str, Any] = {"shuffled_pairs": len(found.shuffled)}
    for name, cosine in zip(("enter", "reject"), bounds, strict=True):
        own, shuffled = (share_at(each, cosine) for each in found)
        facts[name] = {"cosine": cosine, "own_pass": own, "shuffled_pass": shuffled}
    quantiles = {name: _quantiles(each) for name, each in found._asdict().items()}
    return bounds, {**facts, "quantiles": quantiles}


def _bound(bound: Bound, shuffled: Float[np.ndarray, " M"]) -> float | None:
    if isinstance(bound, Mapping):
        return threshold(shuffled, bound["false_accepts"])
    return bound


def _quantiles(ascending: Float[np.ndarray, " M"]) -> dict[str, float]:
    at = (0.01, 0.05, 0.5, 0.95, 0.99)
    return {f"{q:g}": float(np.quantile(ascending, q)) for q in at} if len(ascending) else {}


def retrieval(
    pictures: Float[np.ndarray, "N D"], texts: Float[np.ndarray, "N D"], words: Sequence[str]
) -> dict[str, Any]:
    """For how many pictures the right text is among the first, of all the different texts.

    Among the first 10 of 1,000; of a smaller gallery among the first hundredth of it, at least one,
    so that a small set is not let through for being small. Ties count against the encoder. Right is
    a text with the same words. The interval is Wilson's.
    """
    first = {word: at for at, word in reversed(list(enumerate(words)))}
    gallery = texts[sorted(first.values())]
    cosines = pictures @ gallery.T
    own = (pictures * texts).sum(axis=1)
    # Its own text is in the gallery once; a rounding must not rank it behind itself.
    ranks = np.maximum((cosines > own[:, None] - 1e-6).sum(axis=1), 1)
    among = max(1, round(TOP * len(gallery) / SAMPLE))
    found = wilson(int((ranks <= among).sum()), len(pictures))
    return {
        "among": among,
        "gallery": len(gallery),
        "share": found.mean,
        "low": found.low,
        "high": found.high,
        "pictures": len(pictures),
        "enough": found.mean >= ENOUGH,
    }
