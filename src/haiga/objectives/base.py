"""What every objective returns, and how the table describes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

Metric: TypeAlias = tuple[Tensor, float]
"""A detached sum and what it is summed over; the mean is taken once, over the whole step."""


@dataclass(frozen=True)
class Loss:
    """Sums, never means: micro-batches and ranks then add up exactly."""

    total: Float[Tensor, ""]
    count: float
    """What `total` is divided by, once per step: tokens, answers or pairs."""
    metrics: Mapping[str, Metric] = field(default_factory=dict)


@dataclass(frozen=True)
class Objective:
    """A pure function from columns to a `Loss`.

    Its positional parameters name the columns that it needs, its keyword-only ones its options.
    """

    function: Callable[..., Loss]
    at_start: float | None = None
    """The value per item that it must have before the first step, where that is a constant."""
    additive: bool = True
    """Whether the loss of a batch is the sum of the losses of its parts."""
