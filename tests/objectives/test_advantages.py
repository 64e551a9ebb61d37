import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.errors import TrainingError
from haiga.objectives.advantages import (
    Baseline,
    gae,
    group_relative,
    k1,
    k2,
    k3,
    leave_one_out,
    moving_baseline,
    token_rewards,
    whiten,
)

NAN = math.nan
ALL = torch.ones(4, dtype=torch.bool)
GROUPS = torch.tensor([0, 0, 1, 1])
finite = st.floats(-100, 100, allow_nan=False, width=32)
groups = st.lists(st.lists(finite, min_size=2, max_size=5), min_size=1, max_size=4)


def laid_out(rows):
    rewards = torch.tensor([each for row in rows for each in row], dtype=torch.float64)
    group_of = torch.tensor([at for at, row in enumerate(rows) for _ in row])
    return rewards, torch.ones_like(group_of, dtype=torch.bool), group_of


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_leave_one_out_by_hand():
    rewards = f64(1, 3, 8, 2, 4, 0)
    found = leave_one_out(rewards, torch.ones(6, dtype=torch.bool), torch.tensor([0] * 3 + [1] * 3))
    # 1 against (3 + 8) / 2, 3 against (1 + 8) / 2, 8 against (1 + 3) / 2; then 2 against 2, ...
    assert found.tolist() == pytest.approx([-4.5, -1.5, 6, 0, 3, -3])


def test_group_relative_by_hand():
    rewards = f64(1, 3, 10, 10)
    assert group_relative(rewards, ALL, GROUPS, scale=False).tolist() == [-1, 1, 0, 0]
    # Deviations of 1 about 2, one degree of freedom: a standard deviation of sqrt 2.
    found = group_relative(rewards, ALL, GROUPS)
    each = 1 / (math.sqrt(2) + 1e-4)
    assert found.tolist() == pytest.approx([-each, each, 0, 0])


@pytest.mark.parametrize("reward", [0.1, 1e8, -3.3])
@pytest.mark.parametrize("function", [leave_one_out, group_relative])
def test_equal_rewards_give_exactly_zero(function, reward):
    """The mean of three tenths is not a tenth, and a tiny difference over a tiny deviation is 1."""
    rewards = torch.full((3,), reward, dtype=torch.float64)
    found = function(rewards, torch.ones(3, dtype=torch.bool), torch.zeros(3, dtype=torch.long))
    assert found.tolist() == [0, 0, 0]


@pytest.mark.parametrize("function", [leave_one_out, group_relative])
def test_a_missing_reward_has_no_part(function):
    rewards, scored = f64(1, NAN, 3, 7), torch.tensor([True, False, True, True])
    group_of = torch.tensor([0, 0, 0, 0])
    found = function(rewards, scored, group_of)
    known = function(f64(1, 3, 7), torch.ones(3, dtype=torch.bool), torch.zeros(3).long())
    assert found[scored].tolist() == pytest.approx(known.tolist())
    assert found[1] == 0


@pytest.mark.parametrize("function", [leave_one_out, group_relative])
def test_a_group_with_one_score_or_none_learns_nothing(function):
    scored = torch.tensor([True, False, False, False])
    assert function(f64(5, NAN, NAN, NAN), scored, GROUPS).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("function", [leave_one_out, group_relative])
def test_a_group_of_a_single_answer_is_refused(function):
    with pytest.raises(TrainingError, match="at least two answers"):
        function(f64(5, 1, 2), torch.ones(3, dtype=torch.bool), torch.tensor([0, 1, 1]))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_refused(bad):
    with pytest.raises(TrainingError, match="not scored"):
        leave_one_out(f64(bad, 1, 2, 3), ALL, GROUPS)
    with pytest.raises(TrainingError, match="not scored"):
        moving_baseline(f64(bad, 1, 2, 3), ALL, Baseline())


@settings(deadline=None, max_examples=60)
@given(groups, finite)
def test_advantages_of_a_group_sum_to_zero_whatever_the_level(rows, shift):
    rewards, scored, group_of = laid_out(rows)
    for function in (leave_one_out, group_relative):
        found = function(rewards, scored, group_of)
        per_group = torch.zeros(len(rows), dtype=torch.float64).index_add(0, group_of, found)
        torch.testing.assert_close(per_group, torch.zeros_like(per_group), atol=1e-8, rtol=0)
        moved = function(rewards + shift, scored, group_of)
        torch.testing.assert_close(moved, found, atol=1e-7, rtol=1e-7)


@settings(deadline=None, max_examples=60)
@given(groups)
def test_leaving_one_out_is_what_it_says(rows):
    rewards, scored, group_of = laid_out(rows)
    expected = [
        own - sum(row[:at] + row[at + 1 :]) / (len(row) - 1)
        for row in rows
        for at, own in enumerate(row)
    ]
    found = leave_one_out(rewards, scored, group_of)
    torch.testing.assert_close(found, f64(*expected), atol=1e-9, rtol=1e-9)


def test_moving_baseline_by_hand():
    rewards, scored = f64(1, 3, NAN), torch.tensor([True, True, False])
    first, state = moving_baseline(rewards, scored, Baseline(), decay=0.75)
    assert first.tolist() == [-1, 1, 0]
    assert state == Baseline(2.0, 1)
    second, state = moving_baseline(f64(6, 6, 6), ALL[:3], state, decay=0.75)
    assert second.tolist() == [4, 4, 4]
    assert state == Baseline(3.0, 2)


def test_nothing_scored_leaves_the_baseline():
    found, state = moving_baseline(f64(NAN), ~ALL[:1], Baseline(2.0, 1))
    assert found.tolist() == [0]
    assert state == Baseline(2.0, 1)


def test_token_rewards_by_hand():
    found = token_rewards(
        f64(10, 20), f64(1, 2, 3, 4, 5), torch.tensor([0, 0, 1, 1, 1]), kl_weight=0.5
    )
    assert found.tolist() == [-0.5, 9, -1.5, -2, 17.5]


def test_gae_by_hand():
    # One answer of two tokens, one of one. delta: 1 + 0.5 * 4 - 2 = 1 and 3 - 4 = -1; 5 - 1 = 4.
    # The first advantage is 1 + 0.5 * 0.5 * (-1).
    found = gae(f64(1, 3, 5), f64(2, 4, 1), torch.tensor([0, 0, 1]), gamma=0.5, lam=0.5)
    assert found.tolist() == [0.75, -1, 4]


lengths = st.lists(st.integers(1, 6), min_size=1, max_size=4)


@settings(deadline=None, max_examples=60)
@given(lengths, st.floats(0, 1), st.integers(0, 10**6))
def test_gae_with_lambda_1_is_the_return_above_the_value(sizes, gamma, seed):
    generator = torch.Generator().manual_seed(seed)
    answer_of = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    rewards, values = torch.randn(2, sum(sizes), generator=generator, dtype=torch.float64)
    expected = []
    for row in rewards.split(sizes):
        numbers = row.tolist()
        expected += [
            sum(gamma**k * later for k, later in enumerate(numbers[at:]))
            for at in range(len(numbers))
        ]
    found = gae(rewards, values, answer_of, gamma=gamma, lam=1.0)
    torch.testing.assert_close(found + values, f64(*expected))
    one_step = gae(rewards, values, answer_of, gamma=gamma, lam=0.0)
    ends = torch.tensor(sizes).cumsum(0) - 1
    ahead = torch.cat([values[1:], values[:1]]).index_fill(0, ends, 0.0)
    torch.testing.assert_close(one_step, rewards + gamma * ahead - values)


def test_estimators_by_hand():
    logps, ref = f64(0.5).log(), f64(0.25).log()
    assert float(k1(logps, ref)) == pytest.approx(math.log(2))
    assert float(k2(logps, ref)) == pytest.approx(math.log(2) ** 2 / 2)
    assert float(k3(logps, ref)) == pytest.approx(0.5 - 1 + math.log(2))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_k1_and_k3_are_the_divergence_on_average(seed):
    generator = torch.Generator().manual_seed(seed)
    policy, reference = torch.randn(2, 6, generator=generator, dtype=torch.float64).log_softmax(1)
    divergence = (policy.exp() * (policy - reference)).sum()
    for estimator in (k1, k3):
        torch.testing.assert_close((policy.exp() * estimator(policy, reference)).sum(), divergence)
    assert (k2(policy, reference) >= 0).all()
    assert (k3(policy, reference) >= 0).all()


def test_whiten_by_hand():
    scored = torch.tensor([True, True, True, False])
    found = whiten(f64(1, 2, 3, NAN), scored)
    assert found.tolist() == pytest.approx([-1, 0, 1, 0], abs=1e-6)
    assert whiten(f64(0.1, 0.1, 0.1, 0.1), ALL).tolist() == [0, 0, 0, 0]
    assert whiten(f64(7), ALL[:1]).tolist() == [0]
