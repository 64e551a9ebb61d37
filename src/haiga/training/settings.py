"""The plain values that the loop is told, and the callables that it is handed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from haiga.events import Event, Sink
from haiga.training.watch import Look

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Settings:
    """How a stage is trained. Learning rates are in the parameter groups."""

    steps: int
    seed: int = 0
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the matrix products. Trained weights, their gradients and the loss stay in float32."""
    warmup_share: float = 0.05
    floor: float = 1e-6
    """The learning rate that the cosine falls to."""
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    optimiser: Literal["adamw", "paged_adamw"] = "adamw"
    weight_decay: float = 0.0
    """On matrices only: norms and biases have nothing to decay to."""
    max_grad_norm: float | None = 1.0
    gradient_checkpointing: bool = False
    start_tolerance: float = 0.02
    """How far the first loss may be from the value that its objective must start at."""
    validate_every: int = 0
    sample_every: int = 0
    checkpoint_every: int = 0
    """In steps; 0 is never."""
    watch_every: int = 0
    """In steps, and before the first; 0 is never. It decides where a stage may stop, so it stays as
    it is while a run goes on."""
    watch_stops: bool = True
    """Whether a rule of `watch` may end the stage."""
    keep: Literal["last", "best"] = "last"
    """Which weights a stage that ran to its end keeps: those of the last step, or of the look whose
    answers were worth most. One that was stopped keeps the best."""


def silent(event: Event) -> None:
    """The sink of a rank that is not the first: one speaks for all."""


@dataclass(frozen=True)
class Hooks:
    """What the loop calls and does not know."""

    emit: Sink = silent
    validation: Callable[[], Iterable[Any]] | None = None
    """Micro-batches of held-out rows; the loop computes their loss without gradients."""
    sample: Callable[[nn.Module, int], Sequence[Mapping[str, Any]]] | None = None
    """(model, step) -> what it writes now, one mapping a sample."""
    first: Callable[[nn.Module, Any], None] | None = None
    """Sees the model and the first micro-batch before the first step: a place to compare a fast
    path with a slow one."""
    watch: Callable[[nn.Module, int], Look] | None = None
    """(model, steps done) -> what it writes now, as numbers. Only the first rank is asked."""
