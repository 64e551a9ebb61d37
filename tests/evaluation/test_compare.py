import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.evaluation.checks import Part
from haiga.evaluation.compare import comparisons, linearised, primary, uses_picture


def test_linearised_worked_by_hand():
    assert linearised([Part(1, 1), None, Part(0, 3)]) == [0.625, -0.125]


def test_an_item_without_a_say_does_not_move_the_ratio():
    """Denominators of 2 and 0 are 1 on average, and are no yes or no."""
    assert linearised([Part(1, 2), Part(0, 0)]) == [0.5, 0.5]


@given(
    st.lists(st.integers(1, 5).flatmap(lambda d: st.tuples(st.integers(0, d), st.just(d))),
             min_size=1, max_size=30)
)  # fmt: skip
def test_the_mean_of_the_linearised_values_is_the_ratio(pairs):
    values = linearised([Part(n, d) for n, d in pairs])
    ratio = sum(n for n, _ in pairs) / sum(d for _, d in pairs)
    assert sum(values) / len(values) == pytest.approx(ratio)


def test_a_yes_or_no_check_is_left_as_it_is():
    assert linearised([Part(1), Part(0), Part(1)]) == pytest.approx([1, 0, 1])


def test_equal_answers_do_not_prove_that_all_answers_are_equal():
    parts = [Part(1, 2), Part(2, 3), Part(0, 1), Part(2, 2)] * 25
    table = {"sft": {"full": {"c": parts}, "blind": {"c": list(parts)}}}
    (row,) = comparisons(table, [str(i) for i in range(100)], starts={})
    assert (row["difference"], row["p"], row["moved"]) == (0, 1, False)
    assert row["high"] == pytest.approx(0.037, abs=1e-3)  # z² / (100 + z²)
    assert row["low"] == -row["high"]
    assert row["detectable"] > 0.03


def test_one_cluster_shows_nothing():
    table = {"sft": {"full": {"c": [Part(1)]}, "blind": {"c": [Part(0)]}}}
    (row,) = comparisons(table, ["a"], starts={})
    assert not row["moved"]
    assert row["detectable"] is None
    assert json.dumps(row, allow_nan=False)


def test_differences_equal_those_of_the_summary():
    ours = [Part(1, 2), Part(3, 3), Part(0, 1), Part(2, 4)]
    theirs = [Part(0, 1), Part(1, 3), Part(0, 1), Part(1, 1)]
    table = {"sft": {"full": {"c": ours}, "blind": {"c": theirs}}}
    (row,) = comparisons(table, ["a", "b", "c", "d"], starts={})
    assert row["difference"] == pytest.approx(6 / 10 - 2 / 6)
    assert row["n"] == 4
    assert row["p_holm"] == row["p"]


def test_a_check_that_applies_nowhere_is_not_compared():
    table = {"sft": {"full": {"c": [None]}, "blind": {"c": [None]}}}
    assert comparisons(table, ["a"], starts={}) == []


def test_a_stage_is_held_against_the_one_it_started_from():
    align, sft, dpo, kto = ([Part(int(i < share)) for i in range(20)] for share in (2, 8, 14, 5))
    table = {
        name: {"full": {"c": parts}}
        for name, parts in {"align": align, "sft": sft, "dpo": dpo, "kto": kto}.items()
    }
    starts = {"sft": "align", "dpo": "sft", "kto": "sft"}
    rows = comparisons(table, [str(i) for i in range(20)], starts=starts)
    told = {row["stage"]: (row["against"], row["difference"]) for row in rows}
    assert told["sft"] == ("align", pytest.approx(0.3))
    assert told["dpo"] == ("sft", pytest.approx(0.3))
    assert told["kto"] == ("sft", pytest.approx(-0.15))  # and not against dpo, which it follows
    assert "align" not in told


def test_moved_is_decided_on_the_adjusted_p():
    parts = {f"c{i}": [Part(k % 2) for k in range(60)] for i in range(40)}
    # One check with a difference of 8 in 60: p about .01 alone, not below .05 among 40.
    shifted = {**parts, "c0": [Part(1 if k % 2 or k < 16 else 0) for k in range(60)]}
    table = {"sft": {"full": shifted, "blind": parts}}
    rows = comparisons(table, [str(k) for k in range(60)], starts={})
    alone = comparisons({"sft": {k: {"c0": v["c0"]} for k, v in table["sft"].items()}},
                        [str(k) for k in range(60)], starts={})  # fmt: skip
    assert alone[0]["moved"]
    assert not rows[0]["moved"]
    assert rows[0]["low"] > 0
    assert "after Holm" in rows[0]["sentence"]
    assert "after Holm" not in rows[1]["sentence"] + alone[0]["sentence"]


def test_uses_picture_needs_every_control():
    def row(against, low, check="named_precision"):
        return {"stage": "s", "check": check, "kind": "condition", "against": against, "low": low}

    assert uses_picture([row("blind", 0.1), row("grey", 0.2)], "s", "named_precision") is True
    assert uses_picture([row("blind", 0.1), row("grey", -0.2)], "s", "named_precision") is False
    assert uses_picture([row("blind", 0.1, "form")], "s", "named_precision") is None


def test_a_style_that_was_not_asked_for_says_nothing_of_pictures():
    def row(against, kind, low):
        return {
            "stage": "s",
            "check": "named_precision",
            "kind": kind,
            "against": against,
            "low": low,
        }

    seeing = [row("blind", "condition", 0.1), row("align", "stage", -0.1)]
    assert (
        uses_picture([*seeing, row("no_style", "condition", -0.1)], "s", "named_precision") is True
    )
    assert (
        uses_picture([*seeing, row("no_style", "control", -0.1)], "s", "named_precision") is False
    )


def test_the_first_check_that_was_made_decides():
    assert primary(["form", "own_picture", "judged_grounding"]) == "judged_grounding"
    assert primary(["judged_grounding", "named_precision"]) == "named_precision"
    assert primary(["form", "rehearsed_grounding"]) is None
