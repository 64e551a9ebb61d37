"""The loss on held-out rows, beside training's; and the memory of all that was seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from haiga.errors import DataError
from haiga.objectives import Objective
from haiga.training.forward import Forward
from haiga.training.gradients import Sums, over_ranks
from haiga.training.guards import fell_together, parted
from haiga.training.watch import Look, is_still, restored

PREFERENCE = ("chosen_logps", "rejected_logps")
"""Metrics of a preference objective whose common fall is worth a warning."""


@dataclass(frozen=True)
class History:
    """What validations and looks have shown so far; it is part of the resume state."""

    train_total: float = 0.0
    train_count: float = 0.0
    """Of the steps since the last validation."""
    train: tuple[float, ...] = ()
    validation: tuple[float, ...] = ()
    chosen: tuple[float, ...] = ()
    rejected: tuple[float, ...] = ()
    looks: tuple[Look, ...] = ()
    still: int = 0
    """Steps in a row that had nothing to teach, up to now."""

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> History:
        """From JSON, which knows no tuples."""
        listed = ("train", "validation", "chosen", "rejected")
        counted: dict[str, Any] = {k: tuple(state[k]) if k in listed else state[k] for k in state}
        return cls(**counted | {"looks": restored(state.get("looks", ()))})

    def stepped(self, sums: Sums, norm: float) -> History:
        """After one more step of training, with a gradient of this norm."""
        total, count = self.train_total + sums.total, self.train_count + sums.count
        still = self.still + 1 if is_still(sums.loss, norm) else 0
        return replace(self, train_total=total, train_count=count, still=still)

    def validated(self, sums: Sums) -> History:
        """After a validation; training's sums begin again."""
        means = sums.means()
        chosen, rejected = ((means[name],) if name in means else () for name in PREFERENCE)
        return replace(
            self,
            train_total=0.0,
            train_count=0.0,
            train=(*self.train, self.train_total / self.train_count),
            validation=(*self.validation, sums.loss),
            chosen=self.chosen + chosen,
            rejected=self.rejected + rejected,
        )

    def seen(self, look: Look) -> History:
        """After one more look at what the model writes."""
        return replace(self, looks=(*self.looks, replace(look, still=self.still)))

    def warnings(self) -> list[str]:
        """What a person should know now."""
        found = [parted(self.train, self.validation), fell_together(self.chosen, self.rejected)]
        return [sentence for sentence in found if sentence]


def evaluate(forward: Forward, objective: Objective, batches: Iterable[Any], step: int) -> Sums:
    """Sums of loss and metrics over micro-batches, without gradients and without dropout.

    An objective over a whole batch is computed within each micro-batch, so that its value depends
    on their size: compare it with itself only.

    Raises:
        DataError: when there is nothing to validate on.
        GuardError: at a loss or metric that is not finite, after `step` steps.
    """
    sums = Sums()
    training = forward.training
    forward.eval()
    with torch.no_grad():
        for batch in batches:
            loss = objective.function(**forward(batch))
            sums.note(loss, step, batch.ids, "validation's ")
    forward.train(training)
    sums = over_ranks(sums)
    if not sums.count:
        raise DataError(
            "There is nothing to validate on: hold rows out, or set validate_every = 0."
        )
    return sums
