"""Rows that a stage cannot learn from are named and left, and do not end it."""

import pytest

import tiny
from haiga.errors import DataError
from haiga.recipe.schema import Stage
from haiga.records import Answer, Group, assistant, user
from haiga.training.parts import rendered

STAGE = Stage(
    tasks=("describe",),
    objective={"name": "cross_entropy"},
    trainable=((".*", 1e-3),),
    steps=1,
    batch=1,
    max_tokens=60,
)


def _group(name: str, text: str) -> Group:
    return Group(name, (user("what?"),), (Answer((assistant(text),)),))


def test_a_row_at_fault_is_left_out_and_named():
    groups = [_group("good", "a crane"), _group("odd", "a <|im_end|>"), _group("long", "far " * 30)]
    kept, left = rendered(groups, tiny.tiny_tokenizer(), 0, STAGE)
    assert [row.id for row in kept] == ["good"]
    assert list(left) == ["odd", "long"]
    assert "control token '<|im_end|>'" in left["odd"]
    assert "tokens" in left["long"]


def test_where_every_row_is_at_fault_the_stage_ends():
    with pytest.raises(DataError, match="Row one: its text holds the control token"):
        rendered([_group("one", "<|im_end|>")], tiny.tiny_tokenizer(), 0, STAGE)
