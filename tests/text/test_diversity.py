import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.text.diversity import distinct, grams, index, likeness, overlap, repetition


def test_grams():
    assert grams("The old, old pond", 2) == [("the", "old"), ("old", "old"), ("old", "pond")]
    assert grams("古い池", 2) == [("古", "い"), ("い", "池")]
    assert grams("pond", 3) == [("pond",)]
    assert grams("…", 2) == []


def test_distinct_by_hand():
    assert distinct(["a b a b", "a b"], 2) == 2 / 4
    assert distinct([], 2) == 0


def test_repetition_by_hand():
    assert repetition("a b a b a b", 2) == pytest.approx(1 - 2 / 5)
    assert repetition("a b c", 1) == repetition("", 3) == 0


def test_overlap_by_hand():
    known = index(["the old silent pond", "a frog jumps in", "the old silent moon"], 2)
    assert overlap("The old silent pond!", known, 2) == (1.0, 0)
    assert overlap("an old silent moon", known, 2) == (2 / 3, 2)
    assert overlap("nothing alike", known, 2) == (0.0, None)
    assert overlap("", known, 2) == (0.0, None)


def test_likeness_by_hand():
    # "a b" is in three of the texts, "b c" in two: (2 + 1) / (2 x 3); "x y" stands alone.
    assert likeness(["a b c", "A b, c", "a b d", "x y"], 2) == [3 / 6, 3 / 6, 2 / 6, 0]
    assert likeness(["a a a a", "a a"], 2) == [1, 1]
    assert likeness(["", "a b"], 2) == [1, 0]
    with pytest.raises(ValueError, match="only 1"):
        likeness(["a"])


@given(st.lists(st.text("ab 舟", min_size=1), min_size=1, max_size=8))
def test_a_text_overlaps_wholly_with_itself(texts):
    known = index(texts)
    for text in texts:
        share, position = overlap(text, known)
        assert (share, position is None) == ((1.0, False) if grams(text, 4) else (0.0, True))


@given(st.text("abc ", max_size=60), st.integers(1, 4))
def test_shares_are_shares(text, n):
    assert 0 <= repetition(text, n) < 1
    assert 0 <= distinct([text], n) <= 1
