import numpy as np
import pytest

from haiga.reporting.plots import _smooth, forest, funnel, loss_curves, reliability


def test_nothing_to_draw_is_none():
    assert loss_curves({"sft": [{"kind": "warning", "text": "x"}]}) is None
    assert forest({}) is None
    assert funnel([]) is None


def test_a_figure_is_the_same_each_time():
    summary = {"sft": {"full": {"form": {"mean": 0.5, "low": 0.4, "high": 0.6, "n": 9}}}}
    assert forest(summary) == forest(summary)
    assert forest(summary).startswith(b"<?xml")


def test_smoothing_keeps_a_constant_and_the_length():
    for length in (1, 2, 19, 20, 500):
        assert _smooth(np.full(length, 2.5)) == pytest.approx(np.full(length, 2.5))


def test_one_step_is_enough_for_a_curve():
    assert loss_curves({"sft": [{"kind": "step", "step": 1, "loss": 2.0, "lr": 0.0}]})


def test_a_judge_is_drawn_with_a_panel_of_its_own():
    curve = [{"confidence": 0.6, "accuracy": 0.5, "n": 3}]
    drawn = reliability({f"critic {at}": curve for at in range(5)})
    assert drawn == reliability({f"critic {at}": curve for at in range(5)})
    assert drawn.count(b"<!-- how sure -->") == 5
    assert reliability({}) is None
