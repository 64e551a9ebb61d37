"""Log-probs of targets, a chunk at a time: values and gradients of the whole product."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from haiga.models.head import target_logps
from tiny import TEXT_WIDTH, VOCABULARY


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_head_in_chunks(learns: bool, chunk: int, temperature: float) -> None:
    torch.manual_seed(0)
    head = nn.Linear(TEXT_WIDTH, VOCABULARY, bias=True).requires_grad_(learns)
    hidden = torch.randn(9, TEXT_WIDTH, requires_grad=True)
    targets, weights = torch.randint(0, VOCABULARY, (9,)), torch.randn(9)
    inputs = [hidden, *(head.parameters() if learns else [])]
    logits = head(hidden) / temperature
    truth = logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]
    found = target_logps(head, hidden, targets, chunk, temperature)
    torch.testing.assert_close(found, truth, atol=1e-6, rtol=1e-6)
    wanted = torch.autograd.grad((truth * weights).sum(), inputs)
    grads = torch.autograd.grad((found * weights).sum(), inputs)
    for mine, theirs in zip(grads, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-5)


def test_head_of_nothing() -> None:
    head = nn.Linear(4, 8).requires_grad_(False)
    found = target_logps(head, torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 4)
    assert found.shape == (0,)
