"""Groups side by side, worked by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from haiga.batches.groups import collate
from haiga.batches.render import Branch, Rendered
from haiga.errors import DataError


def answer(*ids: int, quiet: tuple[int, ...] = ()) -> Branch:
    return Branch(ids, tuple(at not in quiet for at in range(len(ids))))


def test_two_groups_by_hand() -> None:
    batch = collate(
        [
            Rendered("a", (10, 11), (answer(20, 21), answer(30)), ("chosen", "rejected"), ("p",)),
            Rendered("b", (12,), (answer(40, 41, 42, quiet=(1,)),), ("chosen",), ()),
        ],
        pad_id=0,
    )
    assert batch.input_ids.tolist() == [[10, 11, 20, 21, 30], [12, 40, 41, 42, 0]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 2], [0, 1, 2, 3, 0]]
    assert batch.segments.tolist() == [[0, 0, 1, 1, 2], [0, 1, 1, 1, -1]]
    assert batch.sources.tolist() == [1, 2, 1, 5, 7]
    assert batch.targets.tolist() == [20, 21, 30, 40, 42]
    assert batch.answer_of.tolist() == [0, 0, 1, 2, 2]
    assert batch.group_of.tolist() == [0, 0, 1]
    assert batch.ends.tolist() == [3, 4, 8]
    assert batch.kinds == ("chosen", "rejected", "chosen")
    assert batch.picture_ids == (("p",), ())
    assert batch.ids == ("a", "b")


def test_to_moves_every_tensor() -> None:
    batch = collate([Rendered("a", (1,), (answer(2),), ("chosen",), ())], 0).to("meta")
    for name in ("input_ids", "position_ids", "segments", "sources", "targets", "ends"):
        assert getattr(batch, name).device.type == "meta"
    assert batch.ids == ("a",)


def test_refusals_name_the_row() -> None:
    with pytest.raises(DataError, match="Row a: the prompt is empty"):
        collate([Rendered("a", (), (answer(2),), ("chosen",), ())], 0)
    with pytest.raises(DataError, match="Row a, answer 0: it has no token"):
        collate([Rendered("a", (1,), (answer(2, quiet=(0,)),), ("chosen",), ())], 0)


@st.composite
def rendered(draw: st.DrawFn) -> Rendered:
    ids = st.lists(st.integers(1, 99), min_size=1, max_size=5)
    branches = []
    for _ in range(draw(st.integers(1, 4))):
        made = draw(ids)
        learn = draw(st.lists(st.booleans(), min_size=len(made), max_size=len(made)))
        branches.append(Branch(tuple(made), (True, *learn[1:])))
    kinds = ("sample",) * len(branches)
    return Rendered("r", tuple(draw(ids)), tuple(branches), kinds, ())


@given(st.lists(rendered(), min_size=1, max_size=4))
def test_sources_stand_just_before_their_targets(rows: list[Rendered]) -> None:
    """Every target's position is one after its source's, in the same branch or in the prefix."""
    batch = collate(rows, pad_id=0)
    positions, segments = batch.position_ids.flatten(), batch.segments.flatten()
    branches = [(row, k + 1, each) for row in rows for k, each in enumerate(row.answers)]
    n = 0
    for a, (row, k, branch) in enumerate(branches):
        for at, (id, learn) in enumerate(zip(branch.ids, branch.learn, strict=True)):
            if not learn:
                continue
            source = batch.sources[n]
            assert batch.targets[n] == id
            assert batch.answer_of[n] == a
            assert positions[source] == len(row.prefix) + at - 1
            assert segments[source] == (k if at else 0)
            assert torch.div(source, batch.input_ids.shape[1]) // 1 == batch.group_of[a]
            n += 1
    assert n == len(batch.targets)
