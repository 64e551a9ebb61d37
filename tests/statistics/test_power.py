import math

import pytest

from haiga.statistics.power import detectable


def test_by_hand():
    # 1.95996 + 0.84162 = 2.80158
    assert detectable(1.0) == pytest.approx(2.80158, abs=1e-5)
    # Yes-or-no pairs of which a fifth differ: 8.9 points with 200 items.
    assert detectable(math.sqrt(0.2 / 200)) == pytest.approx(0.0886, abs=5e-5)


def test_few_items_see_less():
    assert detectable(1.0, 4) > detectable(1.0, 40) > detectable(1.0)
    assert detectable(1.0, 0) == math.inf
