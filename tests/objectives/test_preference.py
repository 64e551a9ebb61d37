import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.objectives import OBJECTIVES
from haiga.objectives.preference import (
    apo_down,
    apo_zero,
    bco,
    dpo,
    dpo_hinge,
    dpo_norm,
    dpo_robust,
    ipo,
)

# Two pairs. Log-ratios to the reference: chosen 2 and -1, rejected -2 and 3. With beta = 0.5 the
# rewards are 1 and -0.5, -1 and 1.5, and the margins 2 and -2.
CHOSEN, REF_CHOSEN = torch.tensor([-3.0, -6.0]), torch.tensor([-5.0, -5.0])
REJECTED, REF_REJECTED = torch.tensor([-9.0, -4.0]), torch.tensor([-7.0, -7.0])
PAIRS = (CHOSEN, REJECTED, REF_CHOSEN, REF_REJECTED)
LENGTHS = (torch.tensor([2, 1]), torch.tensor([4, 2]))
REFERENCED = ["dpo", "dpo_robust", "dpo_hinge", "dpo_norm", "ipo", "bco", "apo_zero", "apo_down"]
BY_ANSWER = ("bco", "apo_zero", "apo_down")
"""Those that look at each answer's reward by itself."""

finite = st.floats(-50, 0, allow_nan=False)
pairs = st.lists(st.tuples(finite, finite, finite, finite), min_size=1, max_size=6)
settings_of = st.fixed_dictionaries({"beta": st.floats(0.01, 5)})


def columns(rows):
    return [torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True)]


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_dpo_by_hand():
    loss = dpo(*PAIRS, beta=0.5)
    assert float(loss.total) == pytest.approx(softplus(-2) + softplus(2))
    assert loss.count == 2
    means = {name: float(total) / n for name, (total, n) in loss.metrics.items()}
    assert means == {
        "accuracy": 0.5,
        "margin": 0.0,
        "chosen_rewards": 0.25,
        "rejected_rewards": 0.25,
        "chosen_logps": -4.5,
        "rejected_logps": -6.5,
    }
    first = dpo(*(column[:1] for column in PAIRS), beta=0.5)
    assert float(first.metrics["margin"][0]) == 2


def test_dpo_with_smoothed_labels_is_a_mean_of_both_ways_round():
    loss = dpo(*(column[:1] for column in PAIRS), beta=0.5, label_smoothing=0.25)
    assert float(loss.total) == pytest.approx(0.75 * softplus(-2) + 0.25 * softplus(2))


def test_smoothing_puts_the_minimum_at_a_finite_margin():
    """At m = log((1 - e) / e); with e = 0.25 that is log 3."""
    chosen = torch.tensor([math.log(3)], requires_grad=True)
    zero = torch.zeros(1)
    dpo(chosen, zero, zero, zero, beta=1.0, label_smoothing=0.25).total.backward()
    assert float(chosen.grad) == pytest.approx(0, abs=1e-6)


def test_dpo_robust_by_hand():
    loss = dpo_robust(*(column[:1] for column in PAIRS), beta=0.5, label_smoothing=0.25)
    assert float(loss.total) == pytest.approx((0.75 * softplus(-2) - 0.25 * softplus(2)) / 0.5)


@settings(deadline=None, max_examples=50)
@given(pairs, st.floats(0.01, 0.45))
def test_dpo_robust_is_unbiased_where_sides_are_swapped(rows, rate):
    """The mean over swaps at the rate it was told is the loss of the right sides."""
    chosen, rejected, ref_chosen, ref_rejected = columns(rows)
    right = dpo_robust(chosen, rejected, ref_chosen, ref_rejected, label_smoothing=rate).total
    swapped = dpo_robust(rejected, chosen, ref_rejected, ref_chosen, label_smoothing=rate).total
    clean = dpo(chosen, rejected, ref_chosen, ref_rejected).total
    torch.testing.assert_close((1 - rate) * right + rate * swapped, clean)


def test_dpo_hinge_by_hand():
    loss = dpo_hinge(*PAIRS, beta=0.5)
    assert float(loss.total) == pytest.approx(0 + 3)


def test_dpo_norm_by_hand():
    # Log-ratios per token: 1 and -1, -0.5 and 1.5; margins with beta 2: 3 and -5.
    loss = dpo_norm(*PAIRS, *LENGTHS, beta=2.0)
    assert float(loss.total) == pytest.approx(softplus(-3) + softplus(5))


def test_ipo_by_hand():
    # Margins per token 1.5 and -2.5, wanted is 1 / (2 * 0.5) = 1.
    loss = ipo(*PAIRS, *LENGTHS, beta=0.5)
    assert float(loss.total) == pytest.approx(0.5**2 + 3.5**2)


def test_bco_by_hand():
    loss = bco(*PAIRS, beta=0.5)
    expected = softplus(-1) + softplus(0.5) + softplus(-1) + softplus(1.5)
    assert float(loss.total) == pytest.approx(expected)


def test_apo_zero_by_hand():
    loss = apo_zero(*PAIRS, beta=0.5)
    expected = 1 - sigmoid(1) + sigmoid(-1) + 1 - sigmoid(-0.5) + sigmoid(1.5)
    assert float(loss.total) == pytest.approx(expected)


def test_apo_down_by_hand():
    loss = apo_down(*PAIRS, beta=0.5)
    expected = sigmoid(1) + 1 - sigmoid(2) + sigmoid(-0.5) + 1 - sigmoid(-2)
    assert float(loss.total) == pytest.approx(expected)


def given_to(name, rows):
    lengths = LENGTHS[0][:1].expand(len(rows))
    return columns(rows) + [lengths, lengths] * (name in ("ipo", "dpo_norm"))


@pytest.mark.parametrize("name", REFERENCED)
@settings(deadline=None, max_examples=50)
@given(pairs, settings_of)
def test_a_policy_that_is_its_reference_has_the_starting_value(name, rows, options):
    objective = OBJECTIVES[name]
    objective = replace(objective, function=partial(objective.function, **options))
    rows = [(chosen, rejected, chosen, rejected) for chosen, rejected, *_ in rows]
    loss = objective.function(*given_to(name, rows))
    assert float(loss.total) / loss.count == pytest.approx(objective.start)
    assert float(loss.metrics["margin"][0]) == 0
    assert float(loss.metrics["accuracy"][0]) == 0


@pytest.mark.parametrize("name", REFERENCED)
@settings(deadline=None, max_examples=50)
@given(pairs, settings_of, st.floats(-9, 9))
def test_only_ratios_matter(name, rows, options, shift):
    """What makes an answer likelier for policy and reference alike changes nothing."""
    function = OBJECTIVES[name].function
    moved = [(c + shift, r - shift, rc + shift, rr - shift) for c, r, rc, rr in rows]
    torch.testing.assert_close(
        function(*given_to(name, moved), **options).total,
        function(*given_to(name, rows), **options).total,
    )


@pytest.mark.parametrize("name", [name for name in REFERENCED if name not in BY_ANSWER])
@settings(deadline=None, max_examples=50)
@given(pairs, settings_of, st.floats(-9, 9))
def test_these_know_only_the_margin(name, rows, options, shift):
    """Both answers may fall together, at no cost: what `guards.fell_together` looks out for."""
    function = OBJECTIVES[name].function
    moved = [(c + shift, r + shift, rc, rr) for c, r, rc, rr in rows]
    torch.testing.assert_close(
        function(*given_to(name, moved), **options).total,
        function(*given_to(name, rows), **options).total,
        atol=1e-7,
        rtol=1e-7,
    )


@pytest.mark.parametrize("name", REFERENCED)
def test_gradients_point_the_right_way(name):
    """At the start the chosen answer becomes likelier and the rejected one less so; apo_down, for
    chosen answers worse than the model's own, lowers both, the rejected one as much."""
    rows = given_to(name, [(-4.0, -7.0, -4.0, -7.0)])
    for column in rows[:2]:
        column.requires_grad_()
    OBJECTIVES[name].function(*rows).total.backward()
    chosen, rejected = (float(column.grad) for column in rows[:2])
    assert rejected > 0
    assert chosen == pytest.approx(0) if name == "apo_down" else chosen < 0


@pytest.mark.parametrize("name", REFERENCED)
def test_a_pair_of_equals_neither_wins_nor_breaks(name):
    rows = given_to(name, [(-4.0, -4.0, -5.0, -5.0)])
    rows[0].requires_grad_()
    loss = OBJECTIVES[name].function(*rows)
    loss.total.backward()
    assert torch.isfinite(rows[0].grad).all()
    assert float(loss.metrics["accuracy"][0]) == 0


@pytest.mark.parametrize("name", REFERENCED)
def test_no_pairs_are_no_loss(name):
    rows = [torch.empty(0, requires_grad=True) for _ in range(4)]
    rows += [torch.empty(0, dtype=torch.long)] * 2 * (name in ("ipo", "dpo_norm"))
    loss = OBJECTIVES[name].function(*rows)
    loss.total.backward()
    assert float(loss.total.detach()) == 0
    assert loss.count == 0
    assert {n for _, n in loss.metrics.values()} == {0}


@pytest.mark.parametrize("name", REFERENCED)
def test_far_margins_stay_finite(name):
    rows = given_to(name, [(-1e4, 0.0, 0.0, -1e4), (0.0, -1e4, -1e4, 0.0)])
    rows = [row.float() if row.is_floating_point() else row for row in rows]
    for column in rows[:2]:
        column.requires_grad_()
    loss = OBJECTIVES[name].function(*rows)
    loss.total.backward()
    assert torch.isfinite(loss.total)
    assert all(torch.isfinite(column.grad).all() for column in rows[:2])
