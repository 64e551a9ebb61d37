import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.objectives import OBJECTIVES
from haiga.objectives.reference_free import log_odds, nll, orpo, simpo

# Geometric means of the tokens' probabilities: 1/2 and 1/4 in the first pair, 1/4 and 1/2 in the
# second. Their odds are 1 and 1/3.
CHOSEN = torch.tensor([0.5, 0.25]).log() * torch.tensor([2, 4])
REJECTED = torch.tensor([0.25, 0.5]).log() * torch.tensor([3, 1])
LENGTHS = (torch.tensor([2, 4]), torch.tensor([3, 1]))


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


def test_orpo_by_hand():
    loss = orpo(CHOSEN, REJECTED, *LENGTHS, beta=0.5)
    # -log sigmoid(log 3) = log(4/3), and -log sigmoid(-log 3) = log 4.
    odds = math.log(4 / 3) + math.log(4)
    assert float(loss.total) == pytest.approx(math.log(2) + math.log(4) + 0.5 * odds)
    assert loss.count == 2
    means = {name: float(total) / n for name, (total, n) in loss.metrics.items()}
    assert means == pytest.approx(
        {
            "accuracy": 0.5,
            "nll": math.log(8) / 2,
            "odds_ratio_loss": odds / 2,
            "log_odds_ratio": 0.0,
            "chosen_mean_logps": -math.log(8) / 2,
            "rejected_mean_logps": -math.log(8) / 2,
            "chosen_logps": -5 * math.log(2),
            "rejected_logps": -3.5 * math.log(2),
        },
        abs=1e-6,
    )
    first = orpo(CHOSEN[:1], REJECTED[:1], *(lengths[:1] for lengths in LENGTHS))
    assert float(first.metrics["odds_ratio_loss"][0]) == pytest.approx(math.log(4 / 3))
    assert float(first.metrics["log_odds_ratio"][0]) == pytest.approx(math.log(3))


def test_simpo_by_hand():
    # Rewards with beta 2: 2 log p; margins 2 log 2 and -2 log 2.
    loss = simpo(CHOSEN, REJECTED, *LENGTHS, beta=2.0, gamma=0.5)
    up, down = 2 * math.log(2) - 0.5, -2 * math.log(2) - 0.5
    assert float(loss.total) == pytest.approx(softplus(-up) + softplus(-down))
    assert float(loss.metrics["margin"][0]) == pytest.approx(0, abs=1e-6)
    smoothed = simpo(CHOSEN, REJECTED, *LENGTHS, beta=2.0, gamma=0.5, label_smoothing=0.25)
    right, wrong = softplus(-up) + softplus(-down), softplus(up) + softplus(down)
    assert float(smoothed.total) == pytest.approx(0.75 * right + 0.25 * wrong)


def test_nll_by_hand():
    loss = nll(CHOSEN, LENGTHS[0])
    assert float(loss.total) == pytest.approx(math.log(2) + math.log(4))
    assert loss.count == 2


def test_equal_sides_cost_log_2_and_no_accuracy():
    loss = orpo(CHOSEN, CHOSEN, LENGTHS[0], LENGTHS[0])
    assert float(loss.metrics["odds_ratio_loss"][0]) == pytest.approx(2 * math.log(2))
    assert float(loss.metrics["accuracy"][0]) == 0


@settings(deadline=None, max_examples=50)
@given(st.floats(-60, -1e-9))
def test_log_odds_are_those_of_the_probability(logp):
    given = torch.tensor([logp], dtype=torch.float64)
    # In float64, by a formula of two branches (Maechler 2012), each exact where it is used.
    small = logp > -math.log(2)
    rest = math.log(-math.expm1(logp)) if small else math.log1p(-math.exp(logp))
    torch.testing.assert_close(float(log_odds(given)), logp - rest)


@pytest.mark.parametrize("logp", [0.0, -1e-12, -1e-7, -0.7, -20.0, -1e4])
def test_orpo_is_finite_at_the_ends_of_probability(logp):
    """p = 1 has infinite odds, and a float32 log-probability of a sure token is 0."""
    sides = [torch.tensor([logp], requires_grad=True), torch.tensor([-1.0], requires_grad=True)]
    one = torch.ones(1, dtype=torch.long)
    for chosen, rejected in (sides, sides[::-1]):
        loss = orpo(chosen, rejected, one, one)
        loss.total.backward()
        assert torch.isfinite(loss.total)
        assert all(torch.isfinite(total) for total, _ in loss.metrics.values())
    assert all(torch.isfinite(side.grad).all() for side in sides)


@pytest.mark.parametrize("name", ["orpo", "simpo", "nll"])
def test_length_alone_changes_nothing(name):
    """An answer twice as long, its tokens as likely, has the same score."""
    function = OBJECTIVES[name].function
    columns = (CHOSEN, LENGTHS[0]) if name == "nll" else (CHOSEN, REJECTED, *LENGTHS)
    longer = [2 * column for column in columns]
    torch.testing.assert_close(function(*longer).total, function(*columns).total)
