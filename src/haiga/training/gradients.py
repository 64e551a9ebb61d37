"""Gradients of one step, exact however its rows are cut into micro-batches.

Losses are sums. Each micro-batch adds the gradient of its sum, and so does each rank; the division
by the count of the whole step comes once at the end. A mean of means would weigh a token by how
many others its micro-batch happens to hold.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import gather_object, reduce, send_to_device
from torch import Tensor

from haiga.objectives import Loss, Objective
from haiga.training.forward import Forward
from haiga.training.guards import finite


@dataclass
class Sums:
    """Totals of a step; means are taken from them once."""

    total: float = 0.0
    count: float = 0.0
    metrics: dict[str, tuple[float, float]] = field(default_factory=dict)
    positions: int = 0
    """Token positions that were read, padding included."""

    def add(self, total: float, count: float, metrics: Mapping[str, tuple[Any, float]]) -> None:
        self.total += total
        self.count += count
        for name, (value, n) in metrics.items():
            was, seen = self.metrics.get(name, (0.0, 0.0))
            self.metrics[name] = (was + float(value), seen + float(n))

    def note(self, loss: Loss, step: int, ids: Sequence[str], what: str = "") -> None:
        """Adds what a batch of these rows gave; `what` comes before the names of its numbers.

        Raises:
            GuardError: at a loss or metric that is not finite.
        """
        total = float(loss.total.detach())
        finite(f"{what}loss", total, step, ids)
        for name, (value, _) in loss.metrics.items():
            finite(f"{what}metric '{name}'", float(value), step, ids)
        self.add(total, float(loss.count), loss.metrics)

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
    """Leaves the gradient of this rank's part of the loss in the parameters; returns its sums.

    A rank without rows, in a batch of fewer rows than ranks, has no part and no gradient.

    Raises:
        GuardError: at a loss or metric that is not finite, before anything moves.
    """
    sums = Sums(positions=sum(batch.input_ids.numel() for batch in batches))
    rank = accelerator.process_index
    if not objective.additive and (len(batches) > 1 or accelerator.num_processes > 1):
        _cached(rank, forward, objective, batches, (seed, step), sums)
        return sums
    for place, batch in enumerate(batches):
        reseed(seed, step, rank, place)
        loss = objective.function(**forward(batch))
        sums.note(loss, step, batch.ids)
        loss.total.backward()
    return sums


def _cached(
    rank: int,
    forward: Forward,
    objective: Objective,
    batches: Sequence[Any],
    seeds: tuple[int, int],
    sums: Sums,
) -> None:
    """GradCache (Gao et al. 2021), for losses that look at the whole batch at once.

    Columns are computed chunk by chunk without gradients and joined, over all ranks; the loss gives
    the gradient of each column; each rank computes its chunks again and pulls their gradients
    through. Memory is that of one chunk, the gradient that of the whole batch. Dropout repeats, as
    the seed does. Every rank computes the whole loss, and the first one counts it.
    """
    own = []
    with torch.no_grad():
        for place, batch in enumerate(batches):
            reseed(*seeds, rank, place)
            own.append((rank, place, forward(batch), batch.ids))
    chunks = _of_all_ranks(own, forward.device)
    joined = _join([columns for _, _, columns, _ in chunks])
    loss = objective.function(**joined)
    ids = [row for *_, names in chunks for row in names]
    (sums if rank == 0 else Sums()).note(loss, seeds[1], ids)
    loss.total.backward()
    cut = {
        name: _cut(column.grad, [columns[name] for _, _, columns, _ in chunks])
        for name, column in joined.items()
        if column.grad is not None
    }
    for at, (owner, place, _, _) in enumerate(chunks):
        if owner != rank:
            continue
        reseed(*seeds, rank, place)
        columns = forward(batches[place])
        pulled = [
            (columns[name] * gradients[at]).sum()
            for name, gradients in cut.items()
            if columns[name].requires_grad
        ]
        if pulled:
            torch.stack(pulled).sum().backward()


def _cut(gradient: Tensor, chunks: Sequence[Tensor]) -> Sequence[Tensor]:
    """The gradient of a joined column for each of the chunks that it was joined from.

    A column may have as many rows as there are tokens, or answers, or pictures. A scalar is a
    parameter, not a row: its gradient is pulled once, by the first chunk.
    """
    if not gradient.dim():
        return [gradient, *[torch.zeros_like(gradient)] * (len(chunks) - 1)]
    return gradient.split([len(chunk) for chunk in chunks])


def _of_all_ranks(chunks: list[Any], device: torch.device) -> list[Any]:
    """The chunks of every rank, in the order of the ranks; tensors travel through the CPU."""
    if PartialState().num_processes == 1:
        return chunks
    return send_to_device(gather_object(send_to_device(chunks, "cpu")), device)


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


def over_ranks(sums: Sums) -> Sums:
    """The sums of all ranks, in float64 and in one order: the same on each."""
    whole = Sums()
    for each in gather_object([sums]):
        whole.add(each.total, each.count, each.metrics)
        whole.positions += each.positions
    return whole


def add_over_ranks(parameters: Sequence[Tensor]) -> None:
    """Adds up the gradients of all ranks, in place.

    Not by DDP, which waits for a gradient of every parameter from every rank: a short batch has no
    row for some of them, and rows without pictures do not reach a tower. What no rank has reached
    keeps no gradient, as on one rank, and AdamW leaves it alone.
    """
    state = PartialState()
    if state.num_processes == 1:
        return
    own = [parameter.grad is not None for parameter in parameters]
    reached = reduce(torch.tensor(own, dtype=torch.int32, device=state.device), "sum").tolist()
    for parameter in (each for each, ranks in zip(parameters, reached, strict=True) if ranks):
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        parameter.grad = reduce(gradient, "sum")


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
