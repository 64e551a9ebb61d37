"""The style critic: which of several styles a text is in, with a calibrated probability.

Word and character n-grams, weighted by TF-IDF, and a multinomial logistic regression. Its logits
are divided by a temperature (Guo et al. 2017, arXiv:1706.04599), fitted on folds that the
regression has not seen. The critic that rewards and the one that evaluates are twins: made alike,
of data that they do not share (`twins`).

Beside its styles a critic knows `NO_STYLE`: empty and broken texts. Without it, a text that it
knows nothing of is in the style that needs the fewest words to be known (an empty text was a haiku
with a probability of 0.9), and a policy would find that out.

It hears words, and little of their order: nonsense out of a style's own words pleases it as much as
sense, and pleases its twin too. What keeps a policy from that is the penalty for leaving the
reference, beside rewards for form and truth.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import xxhash
from jaxtyping import Float, Int, UInt64
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors
from scipy.optimize import minimize_scalar
from scipy.sparse import hstack
from scipy.special import log_softmax, softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import FeatureUnion, make_pipeline

from haiga.errors import DataError, ModelError
from haiga.store import write_atomically
from haiga.text.scripts import TOKEN, tokens

Array: TypeAlias = np.ndarray
Grams: TypeAlias = tuple[list[str], Float[Array, " V"]]
"""N-grams of one kind, and the inverse document frequency of each."""

FOLDS: Final = 5
"""Of the calibration; each style needs texts of so many clusters."""
STRENGTH: Final = 10.0
"""Inverse of the regression's L2 penalty."""
MOST: Final = 50_000
"""Of each kind of n-gram, the most frequent."""

NO_STYLE: Final = ""


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


KINDS: Final[dict[str, dict[str, Any]]] = {
    "words": {
        "tokenizer": tokens,
        "token_pattern": None,
        "lowercase": False,
        "ngram_range": (1, 2),
    },
    "characters": {"analyzer": "char", "preprocessor": _plain, "ngram_range": (2, 4)},
}
"""What a text is cut into; line ends are characters too."""


@dataclass(frozen=True, eq=False)
class Critic:
    """A fitted critic; `probabilities` reads texts with it."""

    styles: tuple[str, ...]
    """In the order of their probabilities, `NO_STYLE` among them."""
    vectorisers: Mapping[str, TfidfVectorizer]
    """By kind of n-gram, in the order of the weights."""
    weights: Float[Array, "F K"]
    bias: Float[Array, " K"]
    temperature: float
    seen: UInt64[Array, " C"]
    """Digests of the clusters that it was fitted on, sorted."""


def fit(
    texts: Sequence[str],
    styles: Sequence[str],
    clusters: Sequence[str] | None = None,
    *,
    kinds: Sequence[str] = tuple(KINDS),
    seed: int = 0,
) -> Critic:
    """A critic of the `styles` of `texts`; the same for the same arguments.

    `clusters` keep texts on one picture in one fold of the calibration; None: each text by itself.
    `kinds` are of `KINDS`, so that a twin may be made to hear other n-grams.

    Raises:
        DataError: fewer than two styles, or a style with texts of fewer than five clusters.
    """
    own = list(texts if clusters is None else clusters)
    _check(styles, own)
    drawn = np.random.default_rng(seed).permutation(len(own))[: len(own) // len(set(styles))]
    rng = np.random.default_rng((seed, 1))
    texts = [*texts, *(spoiled(texts[at], rng) for at in drawn)]
    styles = [*styles, *[NO_STYLE] * len(drawn)]
    own += [own[at] for at in drawn]
    cuts = FeatureUnion([(kind, vectoriser(kind, min_df=2)) for kind in kinds])
    regression = LogisticRegression(C=STRENGTH, max_iter=1000, class_weight="balanced")
    model = make_pipeline(cuts, regression)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    unseen = cross_val_predict(
        model, texts, styles, groups=own, cv=folds, method="decision_function"
    )
    model.fit(texts, styles)
    names, truth = np.unique(styles, return_inverse=True)
    return _assembled(
        tuple(names.tolist()),
        {kind: _grams(cut) for kind, cut in cuts.transformer_list},
        regression.coef_.T,
        regression.intercept_,
        temperature_of(unseen, truth),
        np.unique(_digests(own)),
    )


def probabilities(critic: Critic, texts: Sequence[str]) -> Float[Array, "N K"]:
    """How probably each text is in each of the critic's styles; rows add up to 1."""
    if not texts:
        return np.zeros((0, len(critic.styles)))
    columns = [vectoriser.transform(texts) for vectoriser in critic.vectorisers.values()]
    cut = hstack(columns, format="csr")
    return softmax((cut @ critic.weights + critic.bias) / critic.temperature, axis=1)


def twins(clusters: Sequence[str], *, seed: int = 0) -> tuple[list[int], list[int]]:
    """The places of two halves that share no cluster: one to reward by, one to evaluate by."""
    names = sorted(set(clusters))
    drawn = np.random.default_rng(seed).permutation(len(names))
    first = {names[at] for at in drawn[: (len(names) + 1) // 2]}
    halves: tuple[list[int], list[int]] = ([], [])
    for at, cluster in enumerate(clusters):
        halves[cluster not in first].append(at)
    return halves


def shared_clusters(one: Critic, other: Critic) -> int:
    """How many clusters two critics were both fitted on; 0 for twins."""
    return len(np.intersect1d(one.seen, other.seen))


def save(critic: Critic, path: Path) -> None:
    """One safetensors file: arrays, and the styles and n-grams as JSON in its header."""
    arrays = {"weights": critic.weights, "bias": critic.bias, "seen": critic.seen}
    facts: dict[str, Any] = {"styles": critic.styles, "temperature": critic.temperature}
    facts["grams"] = {}
    for kind, vectoriser in critic.vectorisers.items():
        facts["grams"][kind], arrays[f"{kind}.idf"] = _grams(vectoriser)
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_atomically(path, to_safetensors(whole, {"critic": json.dumps(facts)}))


def load(path: Path) -> Critic:
    """The critic of a file, which is only data: nothing in it is run.

    Raises:
        ModelError: it is not a critic's, or damaged.
    """
    try:
        with safe_open(path, framework="np") as file:
            facts = json.loads((file.metadata() or {})["critic"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return _assembled(
            tuple(facts["styles"]),
            {kind: (grams, arrays[f"{kind}.idf"]) for kind, grams in facts["grams"].items()},
            arrays["weights"],
            arrays["bias"],
            facts["temperature"],
            arrays["seen"],
        )
    except (
        SafetensorError,
        OSError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        raise ModelError(
            f"{path} cannot be read as a style critic: {error or type(error).__name__}. "
            "Fit it again."
        ) from error


def spoiled(text: str, rng: np.random.Generator) -> str:
    """A text that is in no style any more, in its old layout: its letters or words out of order, or
    one phrase over and over; or a single word, or nothing."""
    words = TOKEN.findall(text)
    way = int(rng.integers(4))
    if way == 0:
        return "".join(text[at] for at in rng.permutation(len(text)))
    if way == 1:
        words = [words[at] for at in rng.permutation(len(words))]
    elif way == 2:
        start = int(rng.integers(max(1, len(words))))
        words = words[start : start + int(rng.integers(1, 4))]
    else:
        return "".join(words[: int(rng.integers(2))])
    said = cycle(words)
    return TOKEN.sub(lambda _: str(next(said)), text)


def vectoriser(kind: str, **options: Any) -> TfidfVectorizer:
    """The TF-IDF of one of `KINDS`, not fitted yet."""
    return TfidfVectorizer(sublinear_tf=True, max_features=MOST, **KINDS[kind], **options)


def _grams(vectoriser: TfidfVectorizer) -> Grams:
    return vectoriser.get_feature_names_out().tolist(), vectoriser.idf_


def _assembled(
    styles: tuple[str, ...],
    grams: Mapping[str, Grams],
    weights: Float[Array, "F K"],
    bias: Float[Array, " K"],
    temperature: float,
    seen: UInt64[Array, " C"],
) -> Critic:
    """The critic of these parts, fresh or from a file; ValueError where they do not fit."""
    spelled = [gram for own, _ in grams.values() for gram in own]
    if weights.shape != (len(spelled), len(styles)) or bias.shape != (len(styles),):
        raise ValueError(f"{len(spelled)} n-grams and {len(styles)} styles do not fit its weights")
    if not all(isinstance(name, str) for name in (*styles, *spelled)):
        raise ValueError("a style or an n-gram is no text")
    if len(set(styles)) < max(2, len(styles)):
        raise ValueError(f"its styles are not two or more, each once: {', '.join(styles)}")
    if not all(
        np.isfinite(array).all() for array in (weights, bias, *(idf for _, idf in grams.values()))
    ):
        raise ValueError("it holds numbers that are not finite")
    if not 0 < temperature < np.inf:
        raise ValueError(f"its temperature is {temperature}")
    vectorisers = {kind: vectoriser(kind, vocabulary=own) for kind, (own, _) in grams.items()}
    for kind, (_, idf) in grams.items():
        vectorisers[kind].idf_ = np.asarray(idf, dtype=np.float64)
    halved = weights.astype(np.float32), bias.astype(np.float32)
    return Critic(styles, vectorisers, *halved, float(temperature), seen.astype(np.uint64))


def temperature_of(logits: Float[Array, "N K"], truth: Int[Array, " N"]) -> float:
    """What the logits are divided by so that the texts are likeliest, within e^-5 and e^5.

    Each style has one text more than it has, in every other style's place too, as Platt (1999) has
    it for two; else styles that are told apart without a fault would ask for a temperature of 0.
    """
    count = logits.shape[1]
    sizes = np.bincount(truth, minlength=count)[truth] + count
    targets = np.repeat(1 / sizes[:, None], count, axis=1)
    targets[np.arange(len(truth)), truth] += 1 - count / sizes

    def loss(log_temperature: float) -> float:
        shares = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-(targets * shares).sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))


def _digests(names: Sequence[str]) -> UInt64[Array, " N"]:
    return np.array([xxhash.xxh3_64_intdigest(name.encode()) for name in names], dtype=np.uint64)


def _check(styles: Sequence[str], clusters: Sequence[str]) -> None:
    found = {style: set[str]() for style in sorted(set(styles))}
    for style, cluster in zip(styles, clusters, strict=True):
        found[style].add(cluster)
    if len(found) < 2:
        raise DataError(f"A critic tells styles apart; there is only {', '.join(found) or 'none'}.")
    if NO_STYLE in found:
        raise DataError("A text has no style; name the style of each, or leave the text out.")
    few = [f"{style!r} has {len(own)}" for style, own in found.items() if len(own) < FOLDS]
    if few:
        raise DataError(
            f"A critic needs texts of {FOLDS} pictures or more in each style: {', '.join(few)}. "
            "Give it more texts, or leave the style out."
        )
