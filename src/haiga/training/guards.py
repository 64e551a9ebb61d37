"""Checks that stop a run before its weights move, each with a sentence; and two warnings.

A guard raises GuardError. A warning returns its sentence, or None.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
import xxhash
from torch import Tensor, nn

from haiga.errors import GuardError
from haiga.objectives import Objective

MARGIN = 0.02
"""Falls and rises of less than this share of the value are noise."""


def finite(name: str, value: float, step: int, ids: Sequence[str]) -> None:
    """Raises: GuardError: when `value` is NaN or infinite, with the step and its rows."""
    if not math.isfinite(value):
        shown = ", ".join(ids[:16]) + (f" and {len(ids) - 16} more" if len(ids) > 16 else "")
        raise GuardError(
            f"The {name} is {value} at step {step}, before the weights moved. The rows are "
            f"{shown}: look at them first, then at the learning rate and the dtype."
        )


def start(loss: float, means: Mapping[str, float], objective: Objective, tolerance: float) -> None:
    """That the first step finds what the objective must start at, its reference being the model.

    Raises:
        GuardError: the first loss is another, or a metric that must be 0 and is there is not.
    """
    _near("The loss", loss, objective.start, tolerance)
    for name in objective.zero_at_start:
        _near(f"'{name}'", means.get(name, 0.0), 0.0, tolerance)


def _near(what: str, value: float, expected: float | None, tolerance: float) -> None:
    if expected is not None and not abs(value - expected) <= tolerance:
        raise GuardError(
            f"{what} starts at {value:.4f}, and this objective must start at {expected:.4f} "
            f"(within {tolerance}), where the model is its own reference. The reference is of "
            "another model, or its columns are of other rows: compute the references again."
        )


def something_learns(model: nn.Module) -> None:
    """Raises: GuardError: when no parameter is trained."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise GuardError(
            "No parameter is trained: every rule of 'trainable' says frozen, or none fits a name. "
            "Give at least one pattern a learning rate."
        )


def groups_are_trained(model: nn.Module, groups: Iterable[Mapping]) -> None:
    """Raises: GuardError: when the optimiser's parameters are not those that require gradients."""
    held = {id(parameter) for group in groups for parameter in group["params"]}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad != (id(parameter) in held):
            state = "requires" if parameter.requires_grad else "does not require"
            place = "in no" if parameter.requires_grad else "in a"
            raise GuardError(
                f"{name} {state} gradients but is {place} parameter group: a parameter is trained "
                "when both hold and frozen when neither does."
            )


def full_precision(model: nn.Module) -> None:
    """Raises: GuardError: when a trained weight is kept in less than float32.

    bfloat16 has 8 bits of significand: an update of less than 1/256 of a weight is lost.
    """
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.dtype not in (torch.float32, torch.float64):
            raise GuardError(
                f"{name} is trained and kept in {parameter.dtype}, which loses small updates. Keep "
                "trained weights in float32; dtype = 'bfloat16' still computes in bfloat16."
            )


def digests(
    model: nn.Module, *, trained: bool, most: int = 32, values: int = 4096
) -> dict[str, str]:
    """Digests of the first `values` numbers of up to `most` parameters, spread evenly.

    Of the parameters that are `trained`, or else of the frozen ones.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.numel()]
    wanted = [(name, p) for name, p in named if p.requires_grad is trained]
    sampled = wanted[:: max(1, math.ceil(len(wanted) / most))]
    return {name: _digest(parameter, values) for name, parameter in sampled}


def ranks_begin_alike(of_ranks: Sequence[Mapping[str, str]]) -> None:
    """Raises: GuardError: when the `digests` of some rank are not those of the first."""
    for rank, found in enumerate(of_ranks):
        for name in of_ranks[0]:
            if found.get(name) != of_ranks[0][name]:
                raise GuardError(
                    f"{name} begins with other values on rank {rank} than on the first. Every rank "
                    "must read the same files and draw from the same seed."
                )


def frozen_stays_frozen(model: nn.Module, before: Mapping[str, str], values: int = 4096) -> None:
    """Raises: GuardError: when a frozen parameter is no longer what it was."""
    parameters = dict(model.named_parameters())
    for name, was in before.items():
        if _digest(parameters[name], values) != was:
            raise GuardError(
                f"{name} is frozen, and it changed. Something besides the optimiser writes to it."
            )


def parted(train: Sequence[float], validation: Sequence[float]) -> str | None:
    """A warning when the model learns its rows by heart: validation rises while training falls.

    The rule: since the validation where the loss was lowest, validation has risen by more than 2 %
    of that lowest value, and the training loss has fallen by more than 2 % of what it was there.
    `train[i]` is the mean training loss between validations i - 1 and i.
    """
    if len(validation) < 2:
        return None
    best = min(range(len(validation)), key=validation.__getitem__)
    rise, fall = validation[-1] - validation[best], train[best] - train[-1]
    if rise <= MARGIN * abs(validation[best]) or fall <= MARGIN * abs(train[best]):
        return None
    return (
        f"Validation loss has risen from {validation[best]:.4f} to {validation[-1]:.4f} while "
        f"training loss fell from {train[best]:.4f} to {train[-1]:.4f}: the model is learning its "
        "rows by heart. Stop earlier, train fewer parameters, or bring more rows."
    )


def fell_together(chosen: Sequence[float], rejected: Sequence[float]) -> str | None:
    """A warning when chosen answers become less likely together with the rejected ones.

    A preference loss falls so, too: the margin grows, and the probability goes to neither.
    The rule: both mean log-probabilities are more than 2 % lower than at the first validation.
    """
    if len(chosen) < 2 or len(rejected) < 2:
        return None
    falls = [series[0] - series[-1] > MARGIN * abs(series[0]) for series in (chosen, rejected)]
    if not all(falls):
        return None
    return (
        f"Both fell: chosen answers from {chosen[0]:.4f} to {chosen[-1]:.4f} and rejected ones "
        f"from {rejected[0]:.4f} to {rejected[-1]:.4f} in log-probability. The margin grows at the "
        "expense of the answers you want: lower the learning rate, or add a likelihood term."
    )


def _digest(parameter: Tensor, values: int) -> str:
    part = parameter.detach().flatten()[:values].contiguous().cpu()
    return xxhash.xxh3_128_hexdigest(part.view(torch.uint8).numpy().tobytes())
