"""A weighted sum of objectives: preference with likelihood, a surrogate with its KL term."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from haiga.errors import TrainingError
from haiga.objectives.base import Loss, Metric, Objective, needs


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


def _sum_of(losses: Mapping[str, tuple[float, Loss]]) -> Loss:
    counts = {name: loss.count for name, (_, loss) in losses.items()}
    if len(set(counts.values())) > 1:
        counted = ", ".join(f"{name} {count:g}" for name, count in counts.items())
        raise TrainingError(
            f"The parts of a mixture count different things on one batch ({counted}), so that "
            "their sum has no one mean: mix pairs with pairs and tokens with tokens. The "
            "likelihood of chosen answers beside pairs is 'nll'; policy parts take one 'average'."
        )
    metrics: dict[str, Metric] = {}
    for name, (_, loss) in losses.items():
        metrics[f"{name}_loss"] = (loss.total.detach(), loss.count)
        metrics = {**loss.metrics, **metrics}
    totals: list[Any] = [weight * loss.total for weight, loss in losses.values()]
    return Loss(sum(totals[1:], start=totals[0]), next(iter(counts.values())), metrics)
