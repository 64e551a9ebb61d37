import numpy as np
import pytest

from haiga.statistics.intervals import bootstrap_counts, bootstrap_ratio, wilson


def share(counts):
    return counts[:, 0] / counts[:, 1]


def test_of_a_ratio_it_is_the_ratio_bootstrap():
    rng = np.random.default_rng(1)
    tops, clusters = rng.integers(0, 2, 200), np.arange(200) // 4
    table = np.stack([tops, np.ones(200)], axis=1)
    found = bootstrap_counts(table, share, clusters.tolist(), bounds=(0, 1), seed=0)
    known = bootstrap_ratio(tops, np.ones(200), clusters.tolist(), seed=0)
    assert found.mean == known.mean
    assert found.n == known.n == 200
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.01)


def test_one_cluster_says_nothing_and_bounds_hold():
    table = np.array([[1.0, 1.0], [1.0, 1.0]])
    one = bootstrap_counts(table, share, ["a", "a"], bounds=(0, 1), seed=0)
    assert (one.mean, one.low, one.high) == (1, 0, 1)
    assert bootstrap_counts(table, share, bounds=(0, 1), seed=0).high == 1


def test_where_nothing_varies_the_interval_is_not_a_point():
    found = bootstrap_counts(np.array([[0.0, 1.0]] * 24), share, bounds=(0, 1), seed=0)
    assert (found.mean, found.low) == (0, 0)
    assert found.high == pytest.approx(wilson(0, 24).high)


def test_it_covers_what_it_says():
    rng, hits = np.random.default_rng(3), 0
    for seed in range(200):
        tops = rng.random(60) < 0.7
        table = np.stack([tops, np.ones(60)], axis=1)
        found = bootstrap_counts(table, share, bounds=(0, 1), seed=seed, resamples=400)
        hits += found.low <= 0.7 <= found.high
    assert hits / 200 >= 0.92
