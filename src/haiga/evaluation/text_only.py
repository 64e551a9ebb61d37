"""What could be learned of pairs without their pictures: a classifier that reads texts alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import FeatureUnion, make_pipeline

from haiga.records import Score
from haiga.rewards.critic import KINDS, STRENGTH, vectoriser
from haiga.statistics.ranking import paired_auc

FOLDS: Final = 5


def text_only_auc(
    chosen: Sequence[str], rejected: Sequence[str], clusters: Sequence[str], *, seed: int = 0
) -> Score | None:
    """How probably it gives a chosen text a higher score than a rejected one; 0.5 is chance.

    Word and character n-grams in a logistic regression, as the critics of style have it, cross-
    validated five times; all pairs of a cluster are in one fold. A pair with a text that is
    chosen here and rejected there is left out: what one fold learns of it is the opposite of what
    another holds, and an AUC near 0 would only say so. None where what is left is of fewer than
    five clusters, or no n-gram occurs twice; n counts the pairs that are left.

    Args:
        chosen: a text of each pair.
        rejected: the other.
        clusters: of the pair's pictures.
        seed: of the folds and the bootstrap.
    """
    both = set(chosen) & set(rejected)
    left = [
        at for at, sides in enumerate(zip(chosen, rejected, strict=True)) if both.isdisjoint(sides)
    ]
    chosen, rejected, clusters = ([c[at] for at in left] for c in (chosen, rejected, clusters))
    if len(set(clusters)) < FOLDS:
        return None
    texts = np.array([*chosen, *rejected], dtype=object)
    sides = np.repeat([1, 0], len(chosen))
    scores, folds = np.zeros(len(texts)), np.zeros(len(texts), dtype=int)
    splitter = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    for fold, (fitted, held) in enumerate(splitter.split(texts, sides, [*clusters, *clusters])):
        cuts = FeatureUnion([(kind, vectoriser(kind, min_df=2)) for kind in KINDS])
        model = make_pipeline(cuts, LogisticRegression(C=STRENGTH, max_iter=1000))
        try:
            model.fit(texts[fitted], sides[fitted])
        except ValueError:  # scikit-learn's, where nothing is left to be counted
            return None
        scores[held], folds[held] = model.decision_function(texts[held]), fold
    half = len(chosen)
    return paired_auc(scores[:half], scores[half:], clusters, folds[:half].tolist(), seed=seed)
