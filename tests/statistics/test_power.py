import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.statistics.power import detectable, detectable_difference, items_needed


def test_by_hand():
    # 1.95996 + 0.84162 = 2.80158
    assert detectable(1.0) == pytest.approx(2.80158, abs=1e-5)
    assert detectable_difference(0.8, 200) == pytest.approx(0.158, abs=5e-4)
    # Yes-or-no pairs of which a fifth differ: 8.9 points with 200 items.
    assert detectable_difference(math.sqrt(0.2), 200) == pytest.approx(0.0886, abs=5e-5)


def test_few_items_see_less():
    assert detectable(1.0, 4) > detectable(1.0, 40) > detectable(1.0)
    assert detectable(1.0, 0) == math.inf


@given(st.floats(0.05, 5), st.floats(0.05, 5))
def test_items_needed_are_just_enough(sd, difference):
    n = items_needed(difference, sd)
    assert detectable_difference(sd, n) <= difference * (1 + 1e-9)
    assert n == 1 or detectable_difference(sd, n - 1) > difference


def test_refusals():
    with pytest.raises(ValueError, match="at least one item"):
        detectable_difference(1.0, 0)
    with pytest.raises(ValueError, match="must be positive"):
        items_needed(0.0, 1.0)
