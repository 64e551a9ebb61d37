import json
from dataclasses import replace

import pytest

from haiga.errors import DataError, ModelError
from haiga.evaluation.checks import CHECKS, Check, Part
from haiga.evaluation.conditions import CONDITIONS, USUAL, Item
from haiga.evaluation.run import CHUNK, Stage, answer_key, evaluate, read_answers
from haiga.records import IMAGE, Picture, user
from haiga.world.scenes import scene

SCENES = {f"p{i}": scene(0, i).to_dict() for i in range(100)}
ITEMS = [
    Item(
        id=f"i{i}",
        prompt=(user(IMAGE, "\nWrite a haiku about this picture in English."),),
        pictures=(Picture(picture),),
        reference=f"reference {i}",
        truth={"scene": truth},
        cluster=f"c{i}",
        task="haiku",
    )
    for i, (picture, truth) in enumerate(SCENES.items())
]


def poem(truth):
    """Names all that is in a scene, and nothing that is not."""
    return (
        f"{truth['season']} comes slowly\nover the {truth['setting']} we can see\n"
        f"the {' and the '.join(truth['things'])} are there"
    )


class Seer:
    """Writes the truth of the picture that it is shown, and without one a guess."""

    def __init__(self):
        self.asked = []

    def __call__(self, items):
        self.asked += [item.id for item in items]
        return [
            poem(SCENES[item.pictures[0].id])
            if item.pictures and not item.grey
            else "winter on the hill\nsomebody walks in the snow\nnobody is there"
            for item in items
        ]


def stage(answer, weights="w"):
    raw = Stage("raw", Seer())
    return Stage(weights, answer, {"blind_lm": raw, "random_projector": raw})


def silent(items):
    return [""] * len(items)


def test_summary_has_every_stage_condition_and_check_and_all_items(tmp_path):
    summary = evaluate({"sft": stage(Seer())}, ITEMS, tmp_path)
    assert summary == json.loads((tmp_path / "summary.json").read_text())
    assert list(summary) == ["sft"]
    assert list(summary["sft"]) == list(USUAL)
    for by_check in summary["sft"].values():
        assert list(by_check) == list(CHECKS)
        for cell in by_check.values():
            assert set(cell) == {"mean", "low", "high", "n"}
            assert cell["n"] == len(ITEMS)
            assert 0 <= cell["low"] <= cell["mean"] <= cell["high"] <= 1
    full = summary["sft"]["full"]
    for check in ("named_precision", "named_recall", "season", "setting", "parsed"):
        assert full[check]["mean"] == 1
    assert summary["sft"]["blind"]["named_precision"]["mean"] == 0
    assert summary["sft"]["blind"]["distinct"]["mean"] == 1 / len(ITEMS)
    assert 0 < summary["sft"]["shuffled"]["named_precision"]["mean"] < 0.5


def test_a_silent_model_scores_nothing_anywhere(tmp_path):
    summary = evaluate({"sft": stage(silent)}, ITEMS, tmp_path, conditions=["full", "blind"])
    for by_check in summary["sft"].values():
        for cell in by_check.values():
            assert (cell["mean"], cell["low"], cell["n"]) == (0, 0, len(ITEMS))
            assert cell["high"] > 0


def test_one_readable_answer_in_six_is_not_worth_more_than_a_sixth(tmp_path):
    def sometimes(items):
        return [a if i % 6 == 0 else "" for i, a in enumerate(Seer()(items))]

    items = ITEMS[:30]
    summary = evaluate({"sft": stage(sometimes)}, items, tmp_path, conditions=["full"])
    full = summary["sft"]["full"]
    assert full["parsed"]["mean"] == full["season"]["mean"] == pytest.approx(5 / 30)
    assert full["named_recall"]["mean"] < 0.3


def test_finished_answers_are_not_asked_again(tmp_path):
    seer = Seer()
    first = evaluate({"sft": stage(seer)}, ITEMS, tmp_path)
    assert len(seer.asked) == 4 * len(ITEMS)  # full, blind, shuffled, grey
    again = Seer()
    assert evaluate({"sft": stage(again)}, ITEMS, tmp_path) == first
    assert again.asked == []


def test_a_control_shared_by_stages_is_asked_once(tmp_path):
    raw = Seer()
    stages = {name: Stage(name, Seer(), {"blind_lm": Stage("raw", raw)}) for name in ("sft", "dpo")}
    summary = evaluate(stages, ITEMS, tmp_path, conditions=["full", "blind_lm"])
    assert len(raw.asked) == len(ITEMS)
    assert summary["sft"]["blind_lm"] == summary["dpo"]["blind_lm"]


def test_a_crash_loses_at_most_one_chunk(tmp_path):
    calls = []

    def dies(items):
        calls.append(len(items))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return Seer()(items)

    with pytest.raises(KeyboardInterrupt):
        evaluate({"sft": stage(dies)}, ITEMS, tmp_path, conditions=["full"])
    assert len(read_answers(tmp_path)["sft"]["full"]) == CHUNK
    rest = Seer()
    evaluate({"sft": stage(rest)}, ITEMS, tmp_path, conditions=["full"])
    assert rest.asked == [item.id for item in ITEMS[CHUNK:]]


def test_new_weights_are_asked_again(tmp_path):
    evaluate({"sft": stage(silent)}, ITEMS, tmp_path, conditions=["full"])
    seer = Seer()
    summary = evaluate({"sft": stage(seer, "other")}, ITEMS, tmp_path, conditions=["full"])
    assert len(seer.asked) == len(ITEMS)
    assert summary["sft"]["full"]["season"]["mean"] == 1


def test_the_key_changes_with_all_that_an_answer_depends_on():
    item = ITEMS[0]
    (blind,) = CONDITIONS["blind"].transform([item], 0)
    (grey,) = CONDITIONS["grey"].transform([item], 0)
    shuffled = CONDITIONS["shuffled"].transform(ITEMS, 0)[0]
    keys = [
        answer_key("w", "full", item),
        answer_key("v", "full", item),
        answer_key("w", "random_projector", item),
        answer_key("w", "full", shuffled),
        answer_key("w", "full", blind),
        answer_key("w", "full", grey),
        answer_key("w", "full", item, {"temperature": 0.7}),
        answer_key("w", "full", ITEMS[1]),
    ]
    assert len(set(keys)) == len(keys)
    assert answer_key("w", "full", item) == keys[0]


def test_answers_lie_beside_their_reference_and_their_own_truth(tmp_path):
    def breaks_lines(items):
        return ["one \u2028 line\u0085" for _ in items]

    evaluate({"sft": stage(breaks_lines)}, ITEMS, tmp_path, conditions=["shuffled"])
    rows = read_answers(tmp_path)["sft"]["shuffled"]
    assert [row["id"] for row in rows] == [item.id for item in ITEMS]
    assert all(row["answer"] == "one \u2028 line\u0085" for row in rows)
    assert rows[3]["reference"] == "reference 3"
    assert rows[3]["truth"]["scene"] == SCENES["p3"]
    assert rows[3]["pictures"] != ["p3"]


def test_comparisons_say_that_the_seer_needs_its_picture(tmp_path):
    taught = replace(stage(Seer(), "v"), starts_from="base")
    evaluate({"base": stage(silent), "sft": taught}, ITEMS, tmp_path)
    rows = json.loads((tmp_path / "comparisons.json").read_text())
    seen = {(r["stage"], r["check"], r["against"]): r for r in rows}
    moved = seen["sft", "named_precision", "blind"]
    assert (moved["difference"], moved["moved"], moved["kind"]) == (1, True, "condition")
    step = seen["sft", "season", "base"]
    assert (step["difference"], step["moved"], step["kind"]) == (1, True, "stage")
    same = seen["base", "named_precision", "blind"]
    assert (same["difference"], same["moved"]) == (0, False)
    assert len(rows) == 7 * 5 + 7 * 6


@pytest.mark.parametrize(
    ("stages", "items", "options", "error", "words"),
    [
        ({"s": stage(silent)}, [], {}, DataError, "nothing to evaluate"),
        ({"s": stage(silent)}, ITEMS[:1] * 2, {}, DataError, "share the id 'i0'"),
        ({"s": stage(silent)}, ITEMS, {"conditions": ["blnd"]}, DataError, "no condition 'blnd'"),
        (
            {"s": stage(silent)},
            ITEMS,
            {"conditions": ["no_style"]},
            DataError,
            "Item i0: its prompt",
        ),
        ({"../s": stage(silent)}, ITEMS, {}, DataError, "cannot name a folder"),
        ({"s": Stage("w", silent)}, ITEMS, {}, ModelError, "no model for the condition"),
        ({"s": stage(lambda items: [])}, ITEMS, {}, ModelError, "0 answers to 64 questions"),
    ],
)
def test_faults_are_sentences(tmp_path, stages, items, options, error, words):
    with pytest.raises(error, match=words):
        evaluate(stages, items, tmp_path, **options)


def test_a_check_of_ones_own_is_scored_and_compared_beside_the_others(tmp_path):
    long = Check(lambda items, answers: [Part(min(1, len(a) / 100)) for a in answers], "length")
    checks = {"parsed": CHECKS["parsed"], "long": long}
    options = {"conditions": ["blind"], "checks": checks}
    summary = evaluate({"sft": stage(Seer())}, ITEMS, tmp_path, **options)
    assert list(summary["sft"]["full"]) == ["parsed", "long"]
    rows = json.loads((tmp_path / "comparisons.json").read_text())
    moved = next(row for row in rows if row["check"] == "long")
    cells = [summary["sft"][name]["long"]["mean"] for name in ("full", "blind")]
    assert moved["difference"] == pytest.approx(cells[0] - cells[1])
