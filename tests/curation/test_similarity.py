import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.curation.similarity import calibrate, gates, retrieval, share_at, threshold


def units(*angles: float) -> np.ndarray:
    return np.array([[np.cos(a), np.sin(a)] for a in angles], dtype=np.float32)


def test_pairs_of_strangers_are_all_but_the_diagonal_one_cluster_and_the_same_words():
    pictures, texts = units(0, 0, np.pi / 2), units(0, 0, np.pi / 2)
    found = calibrate(pictures, texts, ["red", "blue", "red"], ["a", "b", "c"])
    # Of six pairs, (0, 2) and (2, 0) say the same words.
    assert np.allclose(found.shuffled, [0, 0, 1, 1], atol=1e-6)
    assert np.allclose(found.own, [1, 1, 1])
    # Where the first two also show the same, two are left.
    assert len(calibrate(pictures, texts, ["r", "b", "g"], ["a", "a", "c"]).shuffled) == 4


def test_a_rate_becomes_the_cosine_that_so_many_strangers_reach():
    shuffled = np.array([0.1, 0.2, 0.3, 0.4], dtype=np.float32)
    found = threshold(shuffled, 0.25)
    assert 0.3 < found < 0.3001
    assert share_at(shuffled, found) == 0.25
    assert threshold(shuffled, 0.2) is None  # less than one of four
    assert share_at(shuffled, 0.4) == 0.25
    assert share_at(shuffled, 0.41) == 0
    assert share_at(shuffled[:0], 0.4) is None


@given(
    st.lists(st.sampled_from([-0.5, 0.0, 0.25, 0.5]), min_size=2, max_size=30),
    st.floats(0.05, 0.95),
)
def test_no_more_strangers_pass_than_the_rate_also_where_cosines_are_equal(cosines, rate):
    shuffled = np.sort(np.array(cosines, dtype=np.float32))
    found = threshold(shuffled, rate)
    assert found is None or share_at(shuffled, found) <= rate


def test_a_fixed_cosine_is_told_what_it_is_worth():
    found = calibrate(units(0, 1, 2), units(0, 1, 2), ["a", "b", "c"], [0, 1, 2])
    bounds, facts = gates(found, 0.9, {"false_accepts": 0.4})
    assert bounds[0] == 0.9
    assert facts["enter"] == {"cosine": 0.9, "own_pass": 1.0, "shuffled_pass": 0.0}
    # cos 1 = 0.54 four times, cos 2 = -0.42 twice: at most two of six may pass, so none does.
    assert bounds[1] > np.cos(1)
    assert facts["reject"]["shuffled_pass"] == 0
    assert facts["shuffled_pairs"] == 6


def test_the_right_text_must_be_among_the_first_hundredth():
    angles = np.linspace(0, np.pi, 250)
    texts = units(*angles)
    words = [f"text {at}" for at in range(250)]
    found = retrieval(texts, texts, words)
    assert (found["among"], found["gallery"], found["share"]) == (2, 250, 1.0)
    assert found["enough"]
    turned = retrieval(units(*(angles + 0.5)), texts, words)
    assert turned["share"] < 0.1
    assert not turned["enough"]


def test_the_same_words_are_the_same_text_and_ties_count_against_the_encoder():
    same = units(0, 0, 0)
    found = retrieval(same, same, ["a", "a", "b"])
    # Two texts are left, both equally like: the right one is second at best.
    assert found["gallery"] == 2
    assert found["share"] == 0
    assert retrieval(same, same, ["a", "a", "a"])["share"] == 1
    with pytest.raises(ValueError, match="one trial"):
        retrieval(same[:0], same[:0], [])
