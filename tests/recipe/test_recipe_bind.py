from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.errors import RecipeError
from haiga.recipe.bind import REQUIRED, bind, options


def dpo(chosen: Tensor, rejected: Tensor, *, beta: float = 0.1, label_smoothing: float = 0.0):  # noqa: F821
    return chosen - rejected, beta, label_smoothing


def rule(row, *, minimum: int, names: tuple[str, ...] = (), mode: Literal["any", "all"] = "any"):
    return minimum, names, mode


def free(row, *, anything=3, limit: float | None = None, folder: Path = Path()):
    return anything, limit, folder


TABLE = {"dpo": dpo, "rule": rule, "free": free}


def fault(component, path="stage.dpo.objective"):
    with pytest.raises(RecipeError) as caught:
        bind(TABLE, component, path)
    return str(caught.value)


def test_the_fault_of_the_style_page():
    assert fault({"name": "dpo", "betta": 0.1}) == (
        "stage.dpo.objective.betta: dpo takes no such option (did you mean 'beta'?); "
        "it takes: beta, label_smoothing"
    )


def test_an_unknown_name_names_the_nearest_and_all():
    assert fault({"name": "dpoo"}) == (
        "stage.dpo.objective.name: there is no 'dpoo' (did you mean 'dpo'?); "
        "there are: dpo, rule, free"
    )
    assert "there is no None" in fault({"beta": 1})


def test_every_fault_has_its_line():
    lines = fault({"name": "rule", "names": "a", "mode": "some", "minimun": 3}).split("\n")
    assert [line.split(":")[0].rsplit(".", 1)[1] for line in lines] == [
        "minimun", "minimum", "names", "mode"
    ]  # fmt: skip
    assert "rule needs this option (int)" in lines[1]


def test_positional_parameters_are_no_options():
    assert options(dpo) == {"beta": 0.1, "label_smoothing": 0.0}
    assert options(rule) == {"minimum": REQUIRED, "names": (), "mode": "any"}
    assert "takes no such option" in fault({"name": "dpo", "chosen": 1})


def test_options_are_filled_in_and_positions_left_free():
    assert bind(TABLE, {"name": "dpo", "beta": 1}, "x")(5, 3) == (2, 1.0, 0.0)
    bound = bind(TABLE, {"name": "rule", "minimum": 2, "names": ["a"]}, "x")
    assert bound({}) == (2, ("a",), "any")
    bound = bind(TABLE, {"name": "free", "folder": "a/b", "anything": [1]}, "x")
    assert bound({}) == ([1], None, Path("a/b"))


@pytest.mark.parametrize("value", ["a", "0.1", True, [0.1], {"x": 1}])
def test_what_is_no_number_is_refused(value):
    assert "stage.dpo.objective.beta: must be a valid number, not" in fault(
        {"name": "dpo", "beta": value}
    )


@pytest.mark.parametrize("value", [1.5, 2.0, "3", True])
def test_what_is_no_whole_number_is_refused(value):
    assert ".minimum: must be a valid integer" in fault({"name": "rule", "minimum": value})


def test_the_place_in_an_array_is_named():
    assert ".names.1: must be a valid string, not 3" in fault(
        {"name": "rule", "minimum": 1, "names": ["a", 3]}
    )


@given(st.floats(allow_nan=False) | st.integers(-(10**9), 10**9))
def test_any_number_passes_unchanged(value):
    bound = bind(TABLE, {"name": "dpo", "beta": value}, "x").keywords["beta"]
    assert bound == value
    assert type(bound) is float


def test_a_partial_keeps_its_options():
    import functools

    table = {"half": functools.partial(dpo, beta=0.5)}
    assert bind(table, {"name": "half", "label_smoothing": 0.1}, "x")(1, 0) == (1, 0.5, 0.1)
