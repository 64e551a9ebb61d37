import math

import pytest
import torch

from haiga.objectives.cross_entropy import cross_entropy


def test_cross_entropy_by_hand():
    # Tokens of probability 1/2, 1/4 and 1/8: 1 + 2 + 3 bits.
    loss = cross_entropy(torch.tensor([0.5, 0.25, 0.125]).log())
    assert float(loss.total) == pytest.approx(6 * math.log(2))
    assert loss.count == 3


def test_no_tokens_is_no_loss():
    loss = cross_entropy(torch.empty(0))
    assert float(loss.total) == 0.0
    assert loss.count == 0
