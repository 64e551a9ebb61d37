import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from haiga.errors import GuardError
from haiga.objectives import OBJECTIVES, Objective
from haiga.training import guards


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_not_finite_names_step_and_rows(value):
    with pytest.raises(GuardError, match=r"loss is .* at step 7.*a, b"):
        guards.finite("loss", value, 7, ["a", "b"])


def test_many_rows_are_counted():
    with pytest.raises(GuardError, match="r15 and 4 more"):
        guards.finite("loss", math.nan, 0, [f"r{i}" for i in range(20)])


def test_finite_passes():
    guards.finite("loss", 1e30, 0, [])


def test_the_start():
    def starting(value):
        return Objective(lambda token_logps: None, at_start=value)

    guards.start(0.7, {}, starting(None), 0.0)
    guards.start(math.log(2) + 0.01, {}, starting(math.log(2)), 0.02)
    with pytest.raises(GuardError, match=r"loss starts at 0\.9000.*must start at 0\.6931"):
        guards.start(0.9, {}, starting(math.log(2)), 0.02)
    with pytest.raises(GuardError):
        guards.start(math.nan, {}, starting(0.5), 0.02)


def test_a_value_that_the_batch_decides_is_guarded_by_its_rewards():
    """KTO of unequal weights starts at no constant, but every reward is 0."""
    kto = OBJECTIVES["kto"]
    objective = replace(kto, function=partial(kto.function, undesirable_weight=0.3))
    assert objective.start is None
    guards.start(0.4, {"chosen_rewards": 0.01}, objective, 0.02)
    with pytest.raises(GuardError, match=r"'rejected_rewards' starts at -0\.3000.*at 0\.0000"):
        guards.start(0.4, {"chosen_rewards": 0.0, "rejected_rewards": -0.3}, objective, 0.02)


def test_trained_and_grouped_must_agree():
    model = nn.Linear(2, 2)
    both = [{"params": list(model.parameters())}]
    guards.groups_are_trained(model, both)
    with pytest.raises(GuardError, match="bias requires gradients but is in no"):
        guards.groups_are_trained(model, [{"params": [model.weight]}])
    model.weight.requires_grad_(False)
    with pytest.raises(GuardError, match="weight does not require gradients but is in a"):
        guards.groups_are_trained(model, both)


def test_half_weights_are_not_trained():
    model = nn.Linear(2, 2).bfloat16()
    with pytest.raises(GuardError, match=r"weight is trained and kept in torch\.bfloat16"):
        guards.full_precision(model)
    guards.full_precision(model.requires_grad_(False))


def test_frozen_weights_are_watched():
    model = nn.Sequential(*[nn.Linear(4, 4) for _ in range(40)]).bfloat16().requires_grad_(False)
    model[0].requires_grad_(True)
    before = guards.digests(model, trained=False)
    assert 16 <= len(before) <= 32
    with torch.no_grad():
        model[0].weight.add_(1)
    guards.frozen_stays_frozen(model, before)
    watched = next(iter(before))
    with torch.no_grad():
        dict(model.named_parameters())[watched].view(-1)[0] += 1
    with pytest.raises(GuardError, match=f"{watched} is frozen, and it changed"):
        guards.frozen_stays_frozen(model, before)


def test_parted_on_a_run_that_was():
    """An ORPO run of ours to avoid: training 0.991 to 0.751, validation 1.197 to 1.299."""
    assert "1.1970 to 1.2990" in guards.parted([0.991, 0.751], [1.197, 1.299])


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        ([1.0], [1.0]),
        ([1.0, 0.8], [1.2, 1.1]),  # both fall
        ([1.0, 1.2], [1.2, 1.4]),  # both rise: diverging, not memorising
        ([1.0, 0.8], [1.2, 1.21]),  # a rise within noise
        ([1.0, 0.8, 0.7], [1.2, 1.3, 1.19]),  # rose and came back
    ],
)
def test_not_parted(train, validation):
    assert guards.parted(train, validation) is None


def test_parted_counts_from_the_best_validation():
    assert guards.parted([2.0, 1.0, 0.9, 0.8], [2.0, 1.0, 1.05, 1.2]) is not None


def test_fell_together():
    assert "Both fell" in guards.fell_together([-40.0, -60.0], [-42.0, -90.0])
    assert guards.fell_together([-40.0, -39.0], [-42.0, -90.0]) is None
    assert guards.fell_together([-40.0], [-42.0]) is None
