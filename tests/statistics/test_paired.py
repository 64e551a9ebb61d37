import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from haiga.statistics.intervals import wilson
from haiga.statistics.paired import Comparison, difference, equivalence, holm, sentence


def test_paired_t_is_that_of_scipy():
    rng = np.random.default_rng(0)
    a = rng.normal(size=30)
    b = a + rng.normal(0.4, 1, size=30)
    seen = difference(a, b, seed=0)
    assert seen.p == pytest.approx(stats.ttest_rel(b, a).pvalue)
    assert seen.difference == pytest.approx(b.mean() - a.mean())
    sd = np.std(b - a, ddof=1)
    expected = (stats.t.ppf(0.975, 29) + stats.t.ppf(0.8, 29)) * sd / math.sqrt(30)
    assert seen.detectable == pytest.approx(expected)


def test_mcnemar_by_hand():
    # Nine went up, one went down: 2 (1 + 10) / 2^10
    a = [0] * 9 + [1] + [1] * 20
    b = [1] * 9 + [0] + [1] * 20
    seen = difference(a, b, seed=0)
    assert seen.p == pytest.approx(22 / 1024)
    assert seen.difference == pytest.approx(8 / 30)
    assert seen.moved


def test_clusters_are_counted_not_items():
    rng = np.random.default_rng(3)
    shift = rng.normal(0.3, 1, 12)
    a = np.zeros(120)
    by_cluster = difference(a, shift.repeat(10), np.arange(12).repeat(10).tolist(), seed=0)
    assert by_cluster.p == pytest.approx(stats.ttest_1samp(shift, 0).pvalue)
    assert by_cluster.n == 120
    assert difference(a, shift.repeat(10), seed=0).p < by_cluster.p


def test_yes_or_no_items_of_one_cluster_are_not_independent():
    rng = np.random.default_rng(4)
    after = (rng.random(8) < 0.5).repeat(20)
    seen = difference(np.zeros(160), after, np.arange(8).repeat(20).tolist(), seed=0)
    assert seen.p == pytest.approx(stats.ttest_1samp(after[::20].astype(float), 0).pvalue)
    assert difference(np.zeros(160), after, seed=0).p < seen.p / 1000


def test_pairing_sees_what_two_intervals_do_not():
    rng = np.random.default_rng(5)
    a = rng.normal(3, 1, 200)
    seen = difference(a, a + rng.normal(0.1, 0.3, 200), seed=0)
    assert seen.moved
    assert stats.ttest_ind(a, a + 0.1).pvalue > 0.05


def test_nothing_changed_is_not_proof_of_no_difference():
    seen = difference([1, 0] * 50, [1, 0] * 50, seed=0)
    missed = wilson(0, 100).high
    assert (seen.low, seen.high) == pytest.approx((-missed, missed))
    assert (seen.difference, seen.p, seen.moved) == (0, 1, False)
    assert 0 < seen.detectable < 0.1


def test_everything_changed():
    seen = difference([0] * 20, [1] * 20, seed=0)
    assert (seen.low, seen.high) == pytest.approx((1 - 2 * wilson(0, 20).high, 1))
    assert seen.p == pytest.approx(2 / 2**20)
    assert seen.moved
    constant = difference([1.5] * 6, [2.0] * 6, seed=0)
    assert (constant.low, constant.high, constant.p) == (0.5, 0.5, 2**-5)


def test_shares_of_other_values_are_as_unsure():
    columns = [0.5, 1.25, -0.25, 0.5] * 25
    seen = difference(columns, columns, seed=0, share=True)
    assert (seen.low, seen.high) == pytest.approx((-wilson(0, 100).high, wilson(0, 100).high))
    assert (seen.p, seen.moved) == (1, False)
    alone = difference([0.5, 0.75], [0.25, 1.0], ["x", "x"], seed=0, share=True)
    assert -1 <= alone.low < alone.high <= 1
    assert alone.detectable == math.inf


def test_one_cluster_never_moves():
    for a, b, clusters in ([1.0], [9.5], None), ([0], [1], None), ([0, 0], [3, 4], ["x", "x"]):
        seen = difference(a, b, clusters, seed=0)
        assert (seen.moved, seen.p, seen.detectable) == (False, 1, math.inf)


def test_refusals():
    with pytest.raises(ValueError, match="not 1 and 2"):
        difference([1], [1, 2], seed=0)
    with pytest.raises(ValueError, match="at least one item"):
        difference([], [], seed=0)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40))
def test_turning_the_columns_turns_the_sign(pairs):
    a, b = zip(*pairs, strict=True)
    there, back = (difference(*order, seed=0, resamples=400) for order in ((a, b), (b, a)))
    assert there.difference == pytest.approx(-back.difference)
    assert there.p == pytest.approx(back.p)
    assert there.detectable == pytest.approx(back.detectable)
    assert -1 <= there.low <= there.difference <= there.high <= 1


def test_false_alarms_and_coverage():
    rng = np.random.default_rng(0)
    covered = alarms = 0
    for trial in range(300):
        a = rng.random(100) < 0.3
        b = np.where(rng.random(100) < 0.8, a, rng.random(100) < 0.3)
        seen = difference(a, b, seed=trial, resamples=1000)
        covered += seen.low <= 0 <= seen.high
        alarms += seen.moved
    assert covered / 300 >= 0.93
    assert alarms / 300 <= 0.05


def test_detectable_is_seen_four_times_in_five():
    rng = np.random.default_rng(1)
    zeros = np.zeros(50)
    expected = difference(zeros, rng.normal(size=50), seed=0).detectable
    scale = 2.8016 / math.sqrt(50)
    assert expected == pytest.approx(scale, rel=0.25)
    seen = sum(
        difference(zeros, rng.normal(scale, 1, 50), seed=trial, resamples=500).moved
        for trial in range(300)
    )
    assert 0.7 <= seen / 300 <= 0.88


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_only_raises(p_values):
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    ordered = [q for _, q in sorted(zip(p_values, adjusted, strict=True))]
    assert ordered == sorted(ordered)


MOVED = Comparison(0.73, 0.66, 0.79, 200, 1e-30, True, 0.09)
STILL = Comparison(0.02, -0.03, 0.07, 200, 0.4, False, 0.06)


def test_sentences():
    assert sentence(MOVED, "season", 0.24, 0.97) == (
        "season moved from 0.24 to 0.97 (+0.73, 95 % CI 0.66 to 0.79, n = 200)"
    )
    assert sentence(STILL, "form", 0.61, 0.63) == (
        "form did not move (0.61 to 0.63, +0.02, 95 % CI -0.03 to 0.07; "
        "a difference below 0.06 would not be seen with n = 200)"
    )


def test_small_differences_get_the_decimals_that_they_need():
    small = Comparison(-0.0031, -0.0040, -0.0022, 900, 1e-6, True, 0.0013)
    assert "(-0.0031, 95 % CI -0.0040 to -0.0022" in sentence(small, "loss", 2.0, 1.9969)


def test_a_sentence_about_one_item():
    alone = difference([1.0], [2.0], seed=0)
    assert "no difference could be seen with n = 1" in sentence(alone, "loss", 1.0, 2.0)


def test_equivalence_is_two_one_sided_tests():
    rng = np.random.default_rng(5)
    a = rng.normal(size=40)
    b = a + rng.normal(0.1, 0.5, size=40)
    seen = equivalence(a, b, margin=0.3)
    above = stats.ttest_1samp(b - a, -0.3, alternative="greater").pvalue
    below = stats.ttest_1samp(b - a, 0.3, alternative="less").pvalue
    assert seen.p == pytest.approx(max(above, below))
    assert seen.holds == (seen.p < 0.05) == (seen.low > -0.3 and seen.high < 0.3)


def test_few_items_show_neither_a_difference_nor_that_there_is_none():
    a, b = [0, 1, 0, 1], [1, 0, 0, 1]
    assert not difference(a, b, seed=0).moved
    assert not equivalence(a, b, margin=0.05).holds


def test_equal_columns_of_many_clusters_are_equivalent_and_one_cluster_is_not():
    same = equivalence([0, 1] * 5, [0, 1] * 5, margin=0.01)
    assert (same.holds, same.p) == (True, 2.0**-10)
    assert not equivalence([0, 1], [0, 1], ["a", "a"], margin=0.01).holds
    assert not equivalence([0.0] * 9, [0.5] * 9, margin=0.4).holds


def test_a_margin_is_above_zero():
    with pytest.raises(ValueError, match="above 0"):
        equivalence([0, 1], [0, 1], margin=0)
    with pytest.raises(ValueError, match="one length"):
        equivalence([0, 1], [0], margin=1)


def test_coverage_and_power_of_a_paired_difference():
    """200 pictures scored from 1 to 5 (rho 0.58, a true difference of 0.19): pairing sees it five
    times out of six, and its interval holds the truth as often as it says."""
    rng = np.random.default_rng(2)
    mean = 0.19
    covered, seen, said = 0, 0, []
    for trial in range(200):
        shared = rng.normal(0, 0.76, 200)
        a, b = (3 + shared + rng.normal(0, 0.65, 200) + shift for shift in (0, mean))
        found = difference(a, b, seed=trial, resamples=400)
        covered += found.low <= mean <= found.high
        seen += found.moved
        said.append(found.detectable)
    assert 0.92 <= covered / 200 <= 0.99
    assert 0.74 <= seen / 200 <= 0.9
    # What it says would be seen four times out of five is what was.
    assert np.mean(said) == pytest.approx(mean, abs=0.02)


def test_power_of_mcnemar_is_what_it_says_would_be_seen():
    # 200 pictures, 20 % discordant: 8.9 points at 80 % power (normal approximation).
    rng = np.random.default_rng(3)
    seen = 0
    for trial in range(150):
        kind = rng.choice(3, 200, p=[0.8, 0.1445, 0.0555])
        a, b = (kind == 2).astype(int), (kind == 1).astype(int)
        seen += difference(a, b, seed=trial, resamples=50).p < 0.05
    assert 0.68 <= seen / 150 <= 0.9


def test_equivalence_holds_no_more_often_than_one_in_twenty_at_the_margin():
    rng = np.random.default_rng(4)
    held = sum(
        equivalence(np.zeros(60), rng.normal(0.3, 1, 60), margin=0.3).holds for _ in range(400)
    )
    assert held / 400 <= 0.08


def test_equivalence_is_two_t_tests_of_scipy():
    deltas = np.random.default_rng(5).normal(0.05, 0.5, 40)
    found = equivalence(np.zeros(40), deltas, margin=0.25)
    above = stats.ttest_1samp(deltas, -0.25, alternative="greater").pvalue
    below = stats.ttest_1samp(deltas, 0.25, alternative="less").pvalue
    assert found.p == pytest.approx(max(above, below))


def test_holm_never_turns_an_order_round():
    # 4 x 0.0001, 3 x 0.02, then 2 x 0.03 and 0.04, which are not below the one before them.
    assert holm([0.0001, 0.02, 0.03, 0.04]) == pytest.approx([0.0004, 0.06, 0.06, 0.06])


def test_what_is_no_share_and_does_not_change_is_the_point():
    found = difference([5.6, 6.1, 4.2], [5.6, 6.1, 4.2], seed=0)
    assert (found.low, found.difference, found.high, found.moved) == (0, 0, 0, False)
