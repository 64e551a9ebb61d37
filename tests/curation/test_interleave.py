from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.curation.interleave import many_to_one, one_to_one


def test_together_they_are_as_alike_as_can_be():
    # By itself each picture would take text 0; 0.9 + 0.1 is less than 0.8 + 0.7.
    similarity = np.array([[0.9, 0.7], [0.8, 0.1]])
    assert one_to_one(similarity, 0.0) == [1, 0]
    assert many_to_one(similarity, 0.0) == [0, 0]


def test_what_is_no_better_than_the_minimum_is_not_assigned():
    similarity = np.array([[0.9, 0.7], [0.8, 0.1]])
    # Above 0.65 there are 0.25, 0.05 and 0.15: 0.05 + 0.15 is less than 0.25.
    assert one_to_one(similarity, 0.65) == [0, -1]
    assert many_to_one(similarity, 0.85) == [0, -1]
    assert many_to_one(similarity, 0.9) == [-1, -1]


def test_more_pictures_than_texts_leave_some_without():
    similarity = np.array([[0.2], [0.9], [0.5]])
    assert one_to_one(similarity, 0.0) == [-1, 0, -1]
    assert many_to_one(similarity, 0.0) == [0, 0, 0]


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 1000), st.floats(-0.5, 0.5))
def test_no_assignment_gains_more(pictures, texts, seed, minimum):
    similarity = np.random.default_rng(seed).uniform(-1, 1, (pictures, texts))
    found = one_to_one(similarity, minimum)
    used = [text for text in found if text >= 0]
    assert len(used) == len(set(used))
    gain = np.maximum(similarity - minimum, 0)
    mine = sum(gain[at, text] for at, text in enumerate(found) if text >= 0)
    wide = np.pad(gain, [(0, 0), (0, pictures)])  # a place for each picture that has no text
    best = max(
        sum(wide[at, text] for at, text in enumerate(order))
        for order in permutations(range(texts + pictures), pictures)
    )
    assert mine == pytest.approx(best)
