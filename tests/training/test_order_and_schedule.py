import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.training.order import batch_indices, share, split, steps_per_epoch
from haiga.training.schedule import learning_rate_factor

counts = st.integers(1, 40)


@given(counts, counts, st.integers(0, 3), st.integers(0, 5))
def test_every_epoch_sees_every_row_once(n, batch, epoch, seed):
    steps = steps_per_epoch(n, batch)
    seen = [row for s in range(steps) for row in batch_indices(n, batch, epoch * steps + s, seed)]
    assert sorted(seen) == list(range(n))


def test_the_last_batch_is_short_and_epochs_differ():
    assert [len(batch_indices(10, 4, step, 0)) for step in range(6)] == [4, 4, 2, 4, 4, 2]
    first, second = ([batch_indices(10, 10, epoch, 0)] for epoch in range(2))
    assert first != second
    assert batch_indices(10, 10, 0, 0) != batch_indices(10, 10, 0, 1)


def test_no_rows_is_an_error():
    with pytest.raises(ValueError, match="0 rows"):
        batch_indices(0, 4, 0, 0)


@given(st.lists(st.integers(), max_size=20), st.integers(1, 6))
def test_parts_and_shares_hold_everything(items, size):
    assert [item for part in split(items, size) for item in part] == items
    shares = [share(items, rank, size) for rank in range(size)]
    assert sorted(item for part in shares for item in part) == sorted(items)


def test_schedule_by_hand():
    # 100 steps, 10 of warm-up; half-way through the cosine at step 55; peak 1e-3, floor 1e-6.
    factors = [learning_rate_factor(step, 100, 0.1, 1e-3) for step in (0, 4, 9, 10, 55)]
    half = (1 + 1e-3) / 2
    assert factors == pytest.approx([0.1, 0.5, 1.0, 1.0, half])
    assert learning_rate_factor(100, 100, 0.1, 1e-3) * 1e-3 == pytest.approx(1e-6)


@given(st.integers(1, 300), st.floats(0, 1), st.floats(1e-7, 1.0))
def test_schedule_rises_then_falls_and_stays_above_the_floor(steps, share, peak):
    factors = [learning_rate_factor(step, steps, share, peak) for step in range(steps)]
    warmup = math.ceil(share * steps)
    assert factors[:warmup] == sorted(factors[:warmup])
    assert factors[warmup:] == sorted(factors[warmup:], reverse=True)
    assert max(factors) == 1.0
    assert all(factor * peak >= min(peak, 1e-6) * (1 - 1e-9) for factor in factors[warmup:])


def test_a_peak_below_the_floor_stays():
    assert learning_rate_factor(50, 100, 0.0, 1e-7) == 1.0
