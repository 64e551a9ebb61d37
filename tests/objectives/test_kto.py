import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.errors import TrainingError
from haiga.objectives import OBJECTIVES, Objective
from haiga.objectives.kto import kto

# Log-ratios: desirable 3 and 1, undesirable -1, mismatched 2 and 0, whose mean is 1.
LOGPS = torch.tensor([-2.0, -4.0, -6.0, -7.0, -9.0], dtype=torch.float64)
RATIOS = torch.tensor([3.0, 1.0, -1.0, 2.0, 0.0], dtype=torch.float64)
LABELS = torch.tensor([1, 1, -1, 0, 0])


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def loss_of(labels=LABELS, ratios=RATIOS, **options):
    return kto(LOGPS[: len(labels)], LOGPS[: len(labels)] - ratios, labels, **options)


def test_kto_by_hand():
    loss = loss_of(beta=0.5, desirable_weight=2.0, undesirable_weight=0.5)
    # z = 1: desirable 0.5 (3 - 1) = 1 and 0, undesirable 0.5 (1 + 1) = 1.
    expected = 2 * (1 - sigmoid(1) + 1 - sigmoid(0)) + 0.5 * (1 - sigmoid(1))
    assert float(loss.total) == pytest.approx(expected)
    assert loss.count == 3
    means = {name: float(total) / n for name, (total, n) in loss.metrics.items()}
    assert means == {
        "chosen_rewards": 1.0,
        "rejected_rewards": -0.5,
        "chosen_logps": -3.0,
        "rejected_logps": -6.0,
        "mismatched_log_ratio": 1.0,
        "reference_point": 1.0,
    }


@pytest.mark.parametrize(("where", "z"), [("mismatched", 1.0), ("batch", 1.0), ("zero", 0.0)])
def test_where_the_reference_point_is_measured(where, z):
    # The batch's own answers have a mean of (3 + 1 - 1) / 3 = 1 as well.
    loss = loss_of(beta=1.0, reference_point=where)
    expected = 3 - sigmoid(3 - z) - sigmoid(1 - z) - sigmoid(z + 1)
    assert float(loss.total) == pytest.approx(expected)


def test_the_reference_point_is_never_below_zero():
    ratios = torch.tensor([3.0, 1.0, -1.0, -8.0, 0.0], dtype=torch.float64)
    loss = loss_of(ratios=ratios)
    assert float(loss.metrics["reference_point"][0]) == 0
    assert float(loss.metrics["mismatched_log_ratio"][0]) == -8


def test_no_gradient_goes_through_the_reference_point():
    logps = LOGPS.clone().requires_grad_()
    kto(logps, LOGPS - RATIOS, LABELS).total.backward()
    assert logps.grad[3:].tolist() == [0, 0]
    assert (logps.grad[:2] < 0).all()
    assert logps.grad[2] > 0


@pytest.mark.parametrize(("labels", "kind"), [([1, 1, 0], "rejected"), ([-1, -1, 0], "chosen")])
def test_a_batch_of_one_side_has_no_metric_of_the_other(labels, kind):
    loss = loss_of(torch.tensor(labels), RATIOS[:3])
    assert torch.isfinite(loss.total)
    assert loss.count == 2
    for metric in ("rewards", "logps"):
        total, n = loss.metrics[f"{kind}_{metric}"]
        assert (float(total), n) == (0.0, 0)


def test_no_mismatched_answers_and_no_reference_point():
    with pytest.raises(TrainingError, match="reference_point = 'batch'"):
        loss_of(torch.tensor([1, -1]), RATIOS[:2])
    assert loss_of(torch.tensor([1, -1]), RATIOS[:2], reference_point="zero").count == 2


def test_its_loss_is_no_sum_of_parts():
    """So the table says that it is not additive."""
    labels, halves = torch.tensor([1, 0, 1, 0]), ([0, 1], [2, 3])
    ratios = torch.tensor([1.0, 4.0, 1.0, -4.0], dtype=torch.float64)
    whole = loss_of(labels, ratios).total
    parts = sum(kto(LOGPS[h], LOGPS[h] - ratios[h], labels[h]).total for h in halves)
    assert abs(float(whole - parts)) > 0.01
    assert not OBJECTIVES["kto"].additive


@pytest.mark.parametrize(("weights", "start"), [((1.0, 1.0), 0.5), ((2.0, 2.0), 1.0)])
def test_equal_weights_start_at_half_of_them(weights, start):
    desirable, undesirable = weights
    options = {"desirable_weight": desirable, "undesirable_weight": undesirable}
    loss = loss_of(ratios=torch.zeros(5, dtype=torch.float64), **options)
    assert float(loss.total) / loss.count == pytest.approx(start)
    assert OBJECTIVES["kto"].at_start(**options) == start


def test_unequal_weights_start_at_no_constant():
    assert OBJECTIVES["kto"].at_start(1.0, 0.3) is None
    assert Objective(kto).start is None


@settings(deadline=None, max_examples=50)
@given(st.permutations(range(5)), st.floats(0.01, 3))
def test_order_does_not_matter(order, beta):
    at = torch.tensor(order)
    loss = kto(LOGPS[at], (LOGPS - RATIOS)[at], LABELS[at], beta=beta)
    torch.testing.assert_close(loss.total, loss_of(beta=beta).total)
