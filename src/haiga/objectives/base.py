"""What every objective returns, and how the table describes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

from annotated_types import Ge, Gt, Lt
from jaxtyping import Float
from torch import Tensor

Metric: TypeAlias = tuple[Tensor, float]
"""A detached sum and what it is summed over; the mean is taken once, over the whole step."""
Positive: TypeAlias = Annotated[float, Gt(0)]
FromZero: TypeAlias = Annotated[float, Ge(0)]
FlipRate: TypeAlias = Annotated[float, Ge(0), Lt(0.5)]
"""The share of pairs whose two sides are taken to be swapped."""

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


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
    at_start: float | Callable[..., float | None] | None = None
    """The value per item that it must have before the first step, where that is known: a constant,
    or a function of options, which its parameters name."""
    zero_at_start: tuple[str, ...] = ()
    """Metrics whose mean must be 0 before the first step, where the value then depends on the
    batch."""
    additive: bool = True
    """Whether the loss of a batch is the sum of the losses of its parts."""

    @property
    def start(self) -> float | None:
        """`at_start`, for the options as they are bound."""
        if not callable(self.at_start):
            return self.at_start
        bound = inspect.signature(self.function).parameters
        names = inspect.signature(self.at_start).parameters
        return self.at_start(**{name: bound[name].default for name in names})


def needs(function: Callable[..., Any]) -> list[str]:
    """The columns that an objective names: its positional parameters, in order."""
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind in POSITIONAL]
