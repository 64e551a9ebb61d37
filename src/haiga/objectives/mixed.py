"""A weighted sum of objectives: preference with likelihood, a surrogate with its KL term."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor

from haiga.errors import TrainingError
from haiga.objectives.base import Loss, Metric, Objective, needs

SIZES: Final = {"P": 2, "A": 3, "N": 7}
"""Of a batch on which pairs, answers and tokens are told apart by their number."""


def mixed(parts: Mapping[str, tuple[float, Objective]]) -> Objective:
    """sum_k weight_k loss_k, an objective that needs the columns of all its parts.

    The parts must count the same things, all pairs or all tokens or all answers: then the weighted
    sum of their sums over that one count is the weighted sum of their means, however a step is cut
    into micro-batches. It also keeps a mixture with pairs from `cross_entropy`, which counts tokens
    and would teach the rejected answers with the chosen ones; `nll` is the term for that.

    Each part's own loss is a metric, `<name>_loss`; where two parts have a metric of one name, the
    first one's stands.

    Args:
        parts: name -> (weight, objective with its options bound).

    The objective raises:
        TrainingError: where the parts count different things.
    """
    columns = {name: needs(part.function) for name, (_, part) in parts.items()}

    def function(**given: Tensor) -> Loss:
        return _sum_of(
            {
                name: (weight, part.function(**{each: given[each] for each in columns[name]}))
                for name, (weight, part) in parts.items()
            }
        )

    wanted = dict.fromkeys(each for names in columns.values() for each in names)
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(each, inspect.Parameter.POSITIONAL_OR_KEYWORD) for each in wanted]
    )
    starts = [(weight, part.start) for weight, part in parts.values()]
    known = [weight * start for weight, start in starts if start is not None]
    return Objective(
        function,
        at_start=sum(known) if len(known) == len(starts) else None,
        additive=all(part.additive for _, part in parts.values()),
    )


def counted(objective: Objective) -> float:
    """What an objective counts of two pairs, three answers and seven tokens."""
    function: Callable[..., Any] = objective.function
    while isinstance(function, functools.partial):
        function = function.func
    hints = typing.get_type_hints(function)
    return float(objective.function(*(_any_column(hints[name]) for name in needs(function))).count)


def different(counts: Mapping[str, float]) -> str | None:
    """Why parts that count these have no common mean; None where they have."""
    if len(set(counts.values())) < 2:
        return None
    told = ", ".join(f"{name} {count:g}" for name, count in counts.items())
    return (
        f"The parts of a mixture count different things on one batch ({told}), so that "
        "their sum has no one mean: mix pairs with pairs and tokens with tokens. The "
        "likelihood of chosen answers beside pairs is 'nll'; policy parts take one 'average'."
    )


def _any_column(hint: Any) -> Tensor:
    """A column of the shape and kind of its annotation; whole numbers go round from 0 to 2."""
    shape = [SIZES.get(axis, 5) for axis in hint.dim_str.split()]
    column = torch.ones(shape)
    if any("int" in str(kind) for kind in hint.dtypes):
        column = torch.arange(column.numel()).reshape(shape) % 3
    return column


def _sum_of(losses: Mapping[str, tuple[float, Loss]]) -> Loss:
    fault = different({name: loss.count for name, (_, loss) in losses.items()})
    if fault:
        raise TrainingError(fault)
    counts = [loss.count for _, loss in losses.values()]
    metrics: dict[str, Metric] = {}
    for name, (_, loss) in losses.items():
        metrics[f"{name}_loss"] = (loss.total.detach(), loss.count)
        metrics = {**loss.metrics, **metrics}
    totals: list[Any] = [weight * loss.total for weight, loss in losses.values()]
    return Loss(sum(totals[1:], start=totals[0]), counts[0], metrics)
