import numpy as np
import pytest

from haiga.statistics.wins import length_controlled


def test_without_a_difference_in_length_it_is_the_win_rate():
    assert length_controlled([1, 1, 1, 0], [0, 0, 0, 0]) == pytest.approx(0.75, abs=0.002)
    assert length_controlled([1, 0.5, 0], [0] * 3) == pytest.approx(0.5)


def test_what_is_won_by_length_alone_is_taken_off():
    rng = np.random.default_rng(0)
    longer = rng.normal(20, 20, 4000)
    wins = rng.random(4000) < 1 / (1 + np.exp(-2 * np.tanh(longer / np.sqrt(np.mean(longer**2)))))
    assert wins.mean() > 0.68
    assert length_controlled(wins, longer) == pytest.approx(0.5, abs=0.04)


def test_only_wins_are_drawn_a_little_inwards():
    assert 0.95 < length_controlled([1] * 10, [0] * 10) < 1


@pytest.mark.parametrize("columns", [([], []), ([1], [1, 2]), ([[1]], [[1]])])
def test_it_refuses_what_does_not_belong_together(columns):
    with pytest.raises(ValueError, match="its outcome and its length"):
        length_controlled(*columns)
