import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from haiga.statistics.intervals import (
    bootstrap_mean,
    bootstrap_ratio,
    count_clusters,
    exact,
    standard_error,
    wilson,
)

finite = st.floats(-100, 100).map(lambda value: round(value, 3))


@given(st.integers(1, 500), st.data(), st.sampled_from([0.9, 0.95, 0.99]))
def test_wilson_is_that_of_scipy(n, data, level):
    k = data.draw(st.integers(0, n))
    score = wilson(k, n, level)
    reference = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    assert (score.mean, score.n) == (k / n, n)
    assert score.low == pytest.approx(reference.low, abs=1e-9)
    assert score.high == pytest.approx(reference.high, abs=1e-9)


def test_wilson_by_hand():
    # z = 1.96: (0.5 + 3.8415 / 20) / 1.38415 -+ 1.96 sqrt(.025 + .0096) / 1.38415
    score = wilson(5, 10)
    assert (score.low, score.high) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 10).low == 0
    assert wilson(10, 10).high == 1


@pytest.mark.parametrize(("k", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_wilson_refuses(k, n):
    with pytest.raises(ValueError, match="trial"):
        wilson(k, n)


@given(st.integers(1, 300), st.data(), st.sampled_from([0.9, 0.95]))
def test_exact_is_that_of_scipy(n, data, level):
    k = data.draw(st.integers(0, n))
    score = exact(k, n, level)
    reference = stats.binomtest(k, n).proportion_ci(level, method="exact")
    assert (score.mean, score.low, score.high) == pytest.approx((k / n, *reference), abs=1e-9)


@pytest.mark.parametrize(("n", "share"), [(12, 0.9), (50, 0.5), (50, 0.97), (200, 0.1)])
def test_coverage_of_shares_is_known_to_the_last_digit(n, share):
    """Not simulated: every number of successes, weighed by how probable it is."""
    probable = stats.binom.pmf(range(n + 1), n, share)

    def covered(interval):
        scores = [interval(k, n) for k in range(n + 1)]
        return sum(p for p, s in zip(probable, scores, strict=True) if s.low <= share <= s.high)

    assert covered(exact) >= 0.95
    assert covered(wilson) >= 0.92
    assert covered(wilson) <= covered(exact)


def test_standard_error_by_hand():
    values = [1.0, 2.0, 3.0, 6.0]
    assert standard_error(values) == pytest.approx(stats.sem(values))
    # Clusters of sums -3 and 3 about the mean: sqrt(2 / 1 * (9 + 9)) / 4
    assert standard_error(values, ["x", "x", "y", "y"]) == pytest.approx(6 / 4)
    assert standard_error([1.0]) == math.inf


@given(st.lists(finite, min_size=2, max_size=30))
def test_standard_error_without_clusters_is_that_of_scipy(values):
    assert standard_error(values) == pytest.approx(stats.sem(values), abs=1e-9)


def test_the_bootstrap_agrees_with_theory_on_many_items():
    values = np.random.default_rng(1).normal(3, 2, 400)
    score = bootstrap_mean(values, seed=0)
    reach = stats.t.ppf(0.975, 399) * stats.sem(values)
    assert score.mean == pytest.approx(values.mean())
    assert (score.low, score.high) == pytest.approx(
        (values.mean() - reach, values.mean() + reach), abs=0.02
    )
    assert score.n == 400


def test_a_seed_gives_one_interval_whatever_the_clusters_are_called():
    values = np.random.default_rng(1).normal(size=60)
    names = [f"print {i // 3}" for i in range(60)]
    renamed = [-(i // 3) for i in range(60)]
    assert bootstrap_mean(values, names, seed=4) == bootstrap_mean(values, renamed, seed=4)
    assert bootstrap_mean(values, names, seed=4) != bootstrap_mean(values, names, seed=5)


def test_copies_of_items_in_a_cluster_add_nothing():
    values = np.random.default_rng(2).normal(size=40)
    alone = bootstrap_mean(values, seed=0)
    copied = bootstrap_mean(np.repeat(values, 5), np.repeat(np.arange(40), 5).tolist(), seed=0)
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high))
    assert copied.n == 200


def test_ratio_is_of_sums_not_a_mean_of_ratios():
    score = bootstrap_ratio([1.5, 0.5, 4], [1, 1, 4], seed=0)
    assert score.mean == 1
    # Three clusters: t on the linearised error; rests 0.5, -0.5, 0
    reach = stats.t.ppf(0.975, 2) * math.sqrt(3 / 2 * 0.5) / 6
    assert (score.low, score.high) == pytest.approx((1 - reach, 1 + reach))
    assert bootstrap_ratio([1, 0, 3], [1, 1, 4], seed=0).mean == 4 / 6


def test_items_without_a_denominator_do_not_count_as_units():
    claims = [1] * 5 + [0] * 95
    assert bootstrap_ratio(claims, claims, seed=0).low == wilson(5, 5).low


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_alike_is_not_certain(value):
    score = bootstrap_mean([value] * 12, seed=0)
    expected = wilson(int(12 * value), 12)
    assert (score.low, score.high) == (expected.low, expected.high)


def test_one_item():
    assert bootstrap_mean([1], seed=0).low == wilson(1, 1).low < 0.25
    assert bootstrap_mean([3.7], seed=0).low == -math.inf
    assert bootstrap_mean([3.7], seed=0).high == math.inf
    one_cluster = bootstrap_mean([1, 0, 1], ["x"] * 3, seed=0)
    assert one_cluster.low < 0.15
    assert one_cluster.high > 0.95
    assert bootstrap_mean([3.7, 3.7], seed=0).low == 3.7


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bootstrap_mean([], seed=0), "at least one item"),
        (lambda: bootstrap_mean([1.0, math.nan], seed=0), "item 1 is nan"),
        (lambda: bootstrap_mean([1.0, 2.0], ["a"], seed=0), "2 items but 1 clusters"),
        (lambda: bootstrap_mean([[1.0]], seed=0), "one column"),
        (lambda: bootstrap_ratio([1, 2], [1], seed=0), "2 numerators but 1 denominators"),
        (lambda: bootstrap_ratio([0, 0], [0, 0], seed=0), "all denominators are zero"),
    ],
)
def test_refusals_are_sentences(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@settings(max_examples=40)
@given(st.lists(finite, min_size=1, max_size=25), st.integers(1, 12))
def test_the_interval_holds_the_mean(values, clusters):
    names = [i % clusters for i in range(len(values))]
    score = bootstrap_mean(values, names, seed=0, resamples=500)
    assert score.low - 1e-9 <= score.mean <= score.high + 1e-9
    assert not any(map(math.isnan, (score.low, score.mean, score.high)))
    assert count_clusters(names, len(values)) == len(set(names))


def coverage(draw, truth, trials=300):
    hits = 0
    for trial in range(trials):
        values, clusters = draw()
        score = bootstrap_mean(values, clusters, seed=trial, resamples=1000)
        hits += score.low <= truth <= score.high
    return hits / trials


def test_coverage_of_a_nominal_95_percent():
    rng = np.random.default_rng(0)

    def series():
        shared = rng.normal(size=40).repeat(4)
        return shared + rng.normal(size=160), np.arange(40).repeat(4).tolist()

    assert coverage(series, 0) >= 0.93
    assert coverage(lambda: (series()[0], None), 0) < 0.85  # clusters matter
    assert coverage(lambda: (rng.normal(size=12), None), 0) >= 0.93
    assert coverage(lambda: ((rng.random(60) < 0.8).astype(float), None), 0.8) >= 0.93


def test_coverage_of_the_ratio_of_a_benchmark():
    """F1 of yes-or-no questions, six to a picture, as POPE asks them: clusters or too narrow."""
    rng = np.random.default_rng(1)

    def answers(pictures):
        skill = rng.beta(4, 1, pictures).repeat(6)  # some pictures are harder
        truth = np.tile([1, 0], 3 * pictures)
        right = rng.random(6 * pictures) < skill
        said = np.where(right, truth, 1 - truth)
        hits = said & truth
        return 2 * hits, said + truth, np.arange(pictures).repeat(6).tolist()

    above, below, _ = answers(200_000)
    f1 = above.sum() / below.sum()
    by_picture, by_question = 0, 0
    for trial in range(200):
        above, below, pictures = answers(100)
        score = bootstrap_ratio(above, below, pictures, seed=trial, resamples=500)
        by_picture += score.low <= f1 <= score.high
        score = bootstrap_ratio(above, below, seed=trial, resamples=500)
        by_question += score.low <= f1 <= score.high
    assert by_picture / 200 >= 0.93
    assert by_question < by_picture
