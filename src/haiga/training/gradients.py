"""Gradients of one step, exact however its rows are cut into micro-batches.

Losses are sums. Each micro-batch adds the gradient of its sum; the division by the count of the
whole step, over all ranks, comes once at the end. A mean of means would weigh a token by how many
others its micro-batch happens to hold.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from haiga.errors import GuardError
from haiga.objectives import Loss, Objective
from haiga.training.forward import Forward
from haiga.training.guards import finite


@dataclass
class Sums:
    """Totals of a step; means are taken from them once."""

    total: float = 0.0
    count: float = 0.0
    metrics: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, total: float, count: float, metrics: Mapping[str, tuple[Any, float]]) -> None:
        self.total += total
        self.count += count
        for name, (value, n) in metrics.items():
            was, seen = self.metrics.get(name, (0.0, 0.0))
            self.metrics[name] = (was + float(value), seen + float(n))

    @property
    def loss(self) -> float:
        return self.total / self.count

    def means(self) -> dict[str, float]:
        """Metrics by name. One with no examples is absent: it has no value, and NaN is an error."""
        return {name: value / n for name, (value, n) in self.metrics.items() if n}


def accumulate(
    accelerator: Accelerator,
    forward: Forward,
    objective: Objective,
    batches: Sequence[Any],
    seed: int,
    step: int,
) -> Sums:
    """Leaves the gradient of this rank's summed loss in the parameters, and returns its sums.

    Raises:
        GuardError: at a loss or metric that is not finite, before anything moves.
    """
    if not batches:
        raise GuardError(
            f"Step {step} has no rows on rank {accelerator.process_index}: fewer rows than ranks."
        )
    if not objective.additive and len(batches) > 1:
        return _cached(accelerator, forward, objective, batches, seed, step)
    sums = Sums()
    for place, batch in enumerate(batches):
        last = place == len(batches) - 1
        reseed(seed, step, accelerator.process_index, place)
        with nullcontext() if last else accelerator.no_sync(forward):
            loss = objective.function(**forward(batch))
            _note(sums, loss, step, batch.ids)
            accelerator.backward(loss.total)
    return sums


def _cached(
    accelerator: Accelerator,
    forward: Forward,
    objective: Objective,
    batches: Sequence[Any],
    seed: int,
    step: int,
) -> Sums:
    """GradCache (Gao et al. 2021), for losses that look at the whole batch at once.

    Columns are computed chunk by chunk without gradients and joined; the loss gives the gradient
    of each column; each chunk is computed again and its gradients pulled through. Memory is that
    of one chunk, the gradient that of the whole batch. Dropout repeats, as the seed does.
    """
    if accelerator.num_processes > 1:
        raise GuardError(
            "An objective over a whole batch sees only the rows of its own rank: train it on one "
            "rank, with as many micro-batches as the batch needs."
        )
    chunks = []
    with torch.no_grad():
        for place, batch in enumerate(batches):
            reseed(seed, step, accelerator.process_index, place)
            chunks.append(forward(batch))
    joined = _join(chunks)
    loss = objective.function(**joined)
    sums = Sums()
    _note(sums, loss, step, [row for batch in batches for row in batch.ids])
    loss.total.backward()
    gradients = {name: column.grad for name, column in joined.items() if column.grad is not None}
    start = 0
    for place, (batch, chunk) in enumerate(zip(batches, chunks, strict=True)):
        rows = slice(start, start + next(len(column) for column in chunk.values() if column.dim()))
        start = rows.stop
        reseed(seed, step, accelerator.process_index, place)
        columns = forward(batch)
        pulled = [
            (columns[name] * (gradient[rows] if gradient.dim() else gradient)).sum()
            for name, gradient in gradients.items()
            # A scalar is a parameter, not a row: its gradient is pulled once, by the first chunk.
            if columns[name].requires_grad and (gradient.dim() or place == 0)
        ]
        if pulled:
            accelerator.backward(torch.stack(pulled).sum())
    return sums


def _join(chunks: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Columns of all chunks, as leaves that take gradients; scalars are those of the first."""
    joined = {
        name: torch.cat([chunk[name] for chunk in chunks]) if column.dim() else column.clone()
        for name, column in chunks[0].items()
    }
    # A view of a parameter remembers it, even one made without gradients: detach.
    return {
        name: column.detach().requires_grad_(column.is_floating_point())
        for name, column in joined.items()
    }


def _note(sums: Sums, loss: Loss, step: int, ids: Sequence[str]) -> None:
    total = float(loss.total.detach())
    finite("loss", total, step, list(ids))
    for name, (value, _) in loss.metrics.items():
        finite(f"metric '{name}'", float(value), step, list(ids))
    sums.add(total, float(loss.count), loss.metrics)


def over_ranks(sums: Sums) -> Sums:
    """The sums of all ranks, in float64 and in one order: the same on each."""
    whole = Sums()
    for total, count, metrics in gather_object([(sums.total, sums.count, sums.metrics)]):
        whole.add(total, count, metrics)
    return whole


def scale(parameters: Sequence[Tensor], factor: float) -> None:
    """Multiplies gradients in place."""
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(factor)


def reseed(seed: int, *place: int) -> None:
    """Every micro-batch begins from a seed of its own: (seed, step, rank, place).

    So there is no random state to save, what happens between steps cannot disturb it, and a chunk
    that is computed twice drops out the same values twice.
    """
    number = int(np.random.SeedSequence([seed, *place]).generate_state(1)[0])
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
