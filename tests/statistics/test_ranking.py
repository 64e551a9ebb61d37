"""AUC by placements, against values counted by hand and scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from haiga.statistics.ranking import paired_auc, placements


def test_placements_counted_by_hand():
    # 3 exceeds 1 and 2; 2 exceeds 1 and ties with 2; 1 is exceeded by both.
    above, below = placements(np.array([3.0, 2.0]), np.array([1.0, 2.0]))
    assert above.tolist() == [1.0, 0.75]
    assert below.tolist() == [1.0, 0.75]


def test_folds_are_never_compared_with_each_other():
    # Inside each fold the chosen one is above; across folds it would be half and half.
    found = paired_auc([1, 11], [0, 10], ["a", "b"], [0, 1], seed=0)
    assert (found.mean, found.n) == (1.0, 2)
    # A fold of three pairs at 1 and one of one pair at 0: weighted by their sizes.
    found = paired_auc([5, 6, 7, 0], [1, 2, 3, 1], list("abcd"), [0, 0, 0, 1], seed=0)
    assert found.mean == 0.75


def test_the_mean_is_scikit_learns():
    rng = np.random.default_rng(0)
    above, below = rng.normal(0.4, 1, 60).round(1), rng.normal(0, 1, 60).round(1)
    found = paired_auc(above, below, list(range(60)), [0] * 60, seed=0)
    known = roc_auc_score([1] * 60 + [0] * 60, [*above, *below])
    assert found.mean == pytest.approx(known, abs=1e-12)
    assert found.low < found.mean < found.high


def test_the_interval_covers_what_chance_does():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(60):
        above, below = rng.normal(0, 1, 40), rng.normal(0, 1, 40)
        found = paired_auc(above, below, list(range(40)), [0] * 40, seed=0)
        inside += found.low <= 0.5 <= found.high
    assert inside >= 52
