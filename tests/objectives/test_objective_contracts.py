"""What holds for every objective of the table. A new entry gets these tests free.

Columns are made from the shapes in the signature: one size per named axis, scalars without axes.
"""

import functools
import inspect
import re
import typing
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from haiga.objectives import OBJECTIVES, Loss, Objective, needs
from haiga.objectives.base import POSITIONAL

SIZES = {"D": 3}
ADDITIVE = [name for name, objective in OBJECTIVES.items() if objective.additive]
WITH_START = [name for name, objective in OBJECTIVES.items() if objective.start is not None]
VALUES: dict[str, Callable[[int], Tensor]] = {
    "answer_labels": lambda items: torch.arange(items) % 3 - 1,
    "chosen_lengths": lambda items: torch.arange(items) + 1,
    "rejected_lengths": lambda items: torch.arange(items) % 4 + 2,
}
"""Columns whose numbers mean something."""


def axes(objective: Objective) -> dict[str, list[str]]:
    """The axes of each column: {"image_embeds": ["B", "D"], "logit_scale": []}."""
    hints = hints_of(objective)
    return {name: hints[name].dim_str.split() for name in needs(objective.function)}


def hints_of(objective: Objective) -> dict[str, typing.Any]:
    function = objective.function
    while isinstance(function, functools.partial):
        function = function.func
    return typing.get_type_hints(function)


def columns(objective: Objective, items: int = 6, seed: int = 0) -> dict[str, Tensor]:
    hints = hints_of(objective)
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for name, names in axes(objective).items():
        shape = [SIZES.get(axis, items) for axis in names]
        kinds = hints[name].dtypes
        if name in VALUES:
            made[name] = VALUES[name](items)
        elif any("int" in str(kind) for kind in kinds):
            ids = torch.arange(items).view(items, *[1] * (len(shape) - 1))
            made[name] = ids.expand(shape)  # each row's further values are its own again
        elif any("bool" in str(kind) for kind in kinds):
            made[name] = torch.arange(items).view(shape) % 2 == 0
        else:
            made[name] = -torch.rand(shape, generator=generator, dtype=torch.float64)
    return made


def taken(objective: Objective, made: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """The columns with only `rows` of their first axis; scalars stay."""
    return {name: column[rows] if column.dim() else column for name, column in made.items()}


def loss_of(objective: Objective, made: dict[str, Tensor]) -> Loss:
    return objective.function(*made.values())


@pytest.mark.parametrize("name", ADDITIVE)
def test_parts_add_up(name):
    objective = OBJECTIVES[name]
    made = columns(objective)
    whole = loss_of(objective, made)
    parts = [
        loss_of(objective, taken(objective, made, torch.tensor(rows)))
        for rows in ([0], [1, 2], [3, 4, 5])
    ]
    torch.testing.assert_close(sum(part.total for part in parts), whole.total)
    assert sum(part.count for part in parts) == whole.count
    for metric, (total, count) in whole.metrics.items():
        torch.testing.assert_close(sum(part.metrics[metric][0] for part in parts), total)
        assert sum(part.metrics[metric][1] for part in parts) == count


@pytest.mark.parametrize("name", OBJECTIVES)
def test_order_does_not_matter(name):
    objective = OBJECTIVES[name]
    made = columns(objective)
    shuffled = taken(objective, made, torch.tensor([3, 0, 5, 1, 4, 2]))
    torch.testing.assert_close(loss_of(objective, shuffled).total, loss_of(objective, made).total)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_it_is_a_scalar_and_gradients_are_finite(name):
    objective = OBJECTIVES[name]
    made = columns(objective)
    learnt = [column.requires_grad_() for column in made.values() if column.is_floating_point()]
    loss = loss_of(objective, made)
    assert loss.total.shape == ()
    assert loss.count > 0
    loss.total.backward()
    gradients = [column.grad for column in learnt if column.grad is not None]
    assert gradients, "nothing would learn"
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_metrics_are_detached_sums(name):
    objective = OBJECTIVES[name]
    made = columns(objective)
    for column in made.values():
        if column.is_floating_point():
            column.requires_grad_()
    for metric, (total, count) in loss_of(objective, made).metrics.items():
        assert not total.requires_grad, metric
        assert total.shape == (), metric
        assert count >= 0, metric


@pytest.mark.parametrize("name", WITH_START)
def test_value_at_start(name):
    """Before the first step a policy is its own reference."""
    objective = OBJECTIVES[name]
    made = columns(objective)
    for column in made:
        if column.startswith("ref_"):
            made[column] = made[column.removeprefix("ref_")].clone()
    loss = loss_of(objective, made)
    assert float(loss.total) / loss.count == pytest.approx(objective.start)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_options_are_keyword_only_with_defaults(name):
    for parameter in inspect.signature(OBJECTIVES[name].function).parameters.values():
        assert (parameter.kind in POSITIONAL) == (parameter.default is parameter.empty)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_value_was_worked_by_hand(name):
    """The contracts alone miss signs and counts."""
    texts = [path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    assert any(re.search(rf"^def test_{name}_by_hand", text, re.M) for text in texts)
