import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from haiga.statistics.agreement import agreement, krippendorff_alpha, spearman, weighted_kappa

N = np.nan
# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": four observers, twelve units.
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
]
ratings = st.lists(st.integers(1, 5), min_size=4, max_size=20)


@pytest.mark.parametrize(
    ("scale", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_of_the_published_example(scale, alpha):
    assert krippendorff_alpha(PUBLISHED, scale) == pytest.approx(alpha, abs=5e-4)


def test_alpha_by_hand():
    # Two raters, values 1 1 2 / 1 2 2: observed 2 / 6, expected 2 * 3 * 3 / (6 * 5)
    assert krippendorff_alpha([[1, 1, 2], [1, 2, 2]], "nominal") == pytest.approx(1 - 10 / 18)


def test_perfect_agreement_and_ranks():
    assert krippendorff_alpha([[1, 2, 5], [1, 2, 5]]) == 1
    stretched = [[{1: 0, 2: 1, 3: 7, 4: 8, 5: 90}.get(r, r) for r in row] for row in PUBLISHED]
    assert krippendorff_alpha(stretched) == pytest.approx(krippendorff_alpha(PUBLISHED))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ([[2, 2], [2, 2]], "every rating is the same"),
        ([[1, N], [N, 2]], "at least one unit"),
        ([1, 2, 3], "shape"),
    ],
)
def test_alpha_refuses(table, words):
    with pytest.raises(ValueError, match=words):
        krippendorff_alpha(table)


@given(ratings, st.randoms(use_true_random=False))
def test_kappa_is_that_of_scikit_learn(first, random):
    second = [random.randint(1, 5) for _ in first]
    if len({*first, *second}) == 1:
        return
    reference = cohen_kappa_score(first, second, labels=[1, 2, 3, 4, 5], weights="quadratic")
    assert weighted_kappa(first, second) == pytest.approx(reference)


def test_kappa_refuses():
    with pytest.raises(ValueError, match="every rating is the same"):
        weighted_kappa([3, 3], [3, 3])
    with pytest.raises(ValueError, match="the same units"):
        weighted_kappa([3, 3], [3])


def test_spearman_is_that_of_scipy_with_an_interval():
    rng = np.random.default_rng(0)
    a = rng.integers(1, 6, 80)
    b = a + rng.integers(-1, 2, 80)
    score = spearman(a, b, seed=0)
    assert score.mean == pytest.approx(stats.spearmanr(a, b).statistic)
    reach = 1.96 / np.sqrt(77)  # Fisher's z, near enough for a wide check
    z = np.arctanh(score.mean)
    assert score.low == pytest.approx(np.tanh(z - reach), abs=0.06)
    assert score.high == pytest.approx(np.tanh(z + reach), abs=0.06)
    assert score.n == 80


def test_spearman_of_a_ranking_with_itself_and_its_reverse():
    assert spearman([1, 2, 3, 4], [10, 20, 30, 99], seed=0).mean == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1], seed=0).high == pytest.approx(-1)


def test_spearman_refuses():
    with pytest.raises(ValueError, match="three items"):
        spearman([1, 2], [1, 2], seed=0)
    with pytest.raises(ValueError, match="constant"):
        spearman([1, 2, 3], [1, 1, 1], seed=0)


def test_an_interval_of_agreement_covers_what_was_simulated():
    # Two raters who see the same thing with noise: what they agree on in the long run is known.
    rng = np.random.default_rng(0)

    def rated(units):
        seen = rng.normal(size=units)
        return np.clip(np.round(seen + rng.normal(0, 0.6, (2, units)) + 3), 1, 5)

    truth = weighted_kappa(*rated(200_000))
    scores = [
        agreement(lambda table: weighted_kappa(*table), rated(50), seed=trial, resamples=200)
        for trial in range(150)
    ]
    assert sum(score.low <= truth <= score.high for score in scores) / 150 >= 0.9
    assert {score.n for score in scores} == {50}


def test_an_interval_of_the_published_alpha():
    score = agreement(krippendorff_alpha, PUBLISHED, seed=0, resamples=300)
    assert score.mean == pytest.approx(0.815, abs=5e-4)
    assert score.low < 0.815 < score.high <= 1


def test_agreement_that_is_nearly_always_undefined_has_no_interval():
    one = [[1] * 30, [1] * 29 + [2]]
    score = agreement(lambda table: weighted_kappa(*table), one, seed=0, resamples=40)
    assert (score.low <= score.mean <= score.high) or (score.low, score.high) == (-1, 1)
    with pytest.raises(ValueError, match="every rating is the same"):
        agreement(lambda table: weighted_kappa(*table), [[2, 2], [2, 2]], seed=0)
