"""Next-token cross entropy: stages 1 and 2, and every supervised stage after them."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from haiga.objectives.base import Loss


def cross_entropy(token_logps: Float[Tensor, " N"]) -> Loss:
    """Minus the log-probability of each answer token, in nats: the sum of -log p over N tokens.

    Every token of a step weighs the same, however long its answer and whichever micro-batch or
    rank it falls in.
    """
    return Loss(-token_logps.sum(), token_logps.numel())
