import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.objectives.bradley_terry import bradley_terry

CHOSEN, REJECTED = torch.tensor([2.0, -1.0]), torch.tensor([1.0, 1.0])


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


def test_bradley_terry_by_hand():
    loss = bradley_terry(CHOSEN, REJECTED)
    assert float(loss.total) == pytest.approx(softplus(-1) + softplus(2))
    assert loss.count == 2
    means = {name: float(total) / n for name, (total, n) in loss.metrics.items()}
    assert means == {
        "accuracy": 0.5,
        "margin": -0.5,
        "chosen_rewards": 0.5,
        "rejected_rewards": 1.0,
    }
    centred = bradley_terry(CHOSEN, REJECTED, centre=0.5)
    assert float(centred.total - loss.total) == pytest.approx(0.5 * (3**2 + 0**2))


def test_a_head_of_zeros_starts_at_log_2():
    loss = bradley_terry(torch.zeros(3), torch.zeros(3), centre=0.1)
    assert float(loss.total) / loss.count == pytest.approx(math.log(2))
    assert float(loss.metrics["accuracy"][0]) == 0


@settings(deadline=None, max_examples=50)
@given(st.floats(-20, 20))
def test_only_differences_matter_without_centring(shift):
    moved = bradley_terry(CHOSEN + shift, REJECTED + shift)
    torch.testing.assert_close(moved.total, bradley_terry(CHOSEN, REJECTED).total)


def test_centring_brings_the_mean_to_zero():
    rewards = [torch.tensor([5.0], requires_grad=True), torch.tensor([4.0], requires_grad=True)]
    optimiser = torch.optim.SGD(rewards, lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        bradley_terry(*rewards, centre=0.1).total.backward()
        optimiser.step()
    chosen, rejected = (float(each.detach()) for each in rewards)
    assert chosen + rejected == pytest.approx(0, abs=1e-3)
    assert chosen > rejected
