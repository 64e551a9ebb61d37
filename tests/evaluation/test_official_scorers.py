"""The published scorers, reproduced on answers that their own code has scored: see golden/."""

import json
import random
from pathlib import Path

import pytest

from haiga.evaluation.benchmarks import BENCHMARKS, chair, mmmu, open_answers
from haiga.evaluation.benchmarks.extracted import extracted
from haiga.evaluation.conditions import Item


def golden(name):
    return json.loads((Path(__file__).parent / "golden" / f"{name}.json").read_text("utf-8"))


def item(id, gold, **truth):
    return Item(str(id), (), reference=gold, truth={"categories": [], **truth})


def official(name, pairs):
    items, answers = zip(*pairs, strict=True)
    return BENCHMARKS[name].official(items, answers)


def test_pope():
    held = golden("pope")
    found = official(
        "pope", [(item(i, r["label"]), r["answer"]) for i, r in enumerate(held["rows"])]
    )
    assert found == pytest.approx(held["expected"], abs=1e-12)
    for row, said in zip(held["rows"], held["each"], strict=True):
        assert official("pope", [(item(0, "yes"), row["answer"])])["yes_ratio"] == (said == "yes")


def test_mmmu_letters_and_the_order_in_which_it_draws_them():
    drawn = random.Random(42)
    for case in golden("mmmu_choice"):
        assert mmmu._chosen(case["answer"], case["options"], drawn) == case["letter"], case


@pytest.mark.parametrize("case", golden("mmmu_open"), ids=lambda case: repr(case["answer"]))
def test_mmmu_open(case):
    assert open_answers.official(case["answer"], case["gold"]) == case["right"]


def test_mmbench_by_rotations_with_and_without_drawing():
    held = golden("mmbench")
    pairs = [
        (
            item(
                row["index"],
                row["answer"],
                categories=[row["category"]],
                options=[row[letter] for letter in "ABCD"],
            ),
            row["prediction"],
        )
        for row in held["rows"]
    ]
    assert official("mmbench", pairs) == pytest.approx(held["expected"], abs=1e-12)
    random.Random(1).shuffle(pairs)  # it sorts by the index before it draws
    assert official("mmbench", pairs) == pytest.approx(held["expected"], abs=1e-12)


def test_seed_bench_written():
    held = golden("seed_bench")
    pairs = [(item(i, row["gold"]), row["answer"]) for i, row in enumerate(held["rows"])]
    assert official("seed_bench", pairs)["accuracy"] == pytest.approx(held["expected"])


def test_realworldqa():
    held = golden("realworldqa")
    for row, score in zip(held["rows"], held["scores"], strict=True):
        found = official("realworldqa", [(item(0, row["gold"]), row["answer"])])
        assert found == {"exact_match": score}, row


def test_chair():
    held = golden("chair")
    items = [item(i, "", objects=row["objects"]) for i, row in enumerate(held["rows"])]
    answers = [row["answer"] for row in held["rows"]]
    assert BENCHMARKS["chair"].official(items, answers) == pytest.approx(held["expected"])
    for one, row in zip(items, held["rows"], strict=True):
        found = BENCHMARKS["chair"].official([one], [row["answer"]])
        assert found["chair_i"] == pytest.approx(row["chair_i"]), row
        assert found["chair_s"] == row["chair_s"], row


@pytest.mark.parametrize(
    ("text", "words"),
    [("a cat/dog.", ["a", "cat/dog", "."]), ("dog.The cat", ["dog.the", "cat"]),
     ("*dogs*--cats", ["*", "dog", "*", "--", "cat"]), ("wine. glasses", ["wine", ".", "glass"]),
     ("a t-shirt, wine glasses", ["a", "t-shirt", ",", "wine glass"])],
)  # fmt: skip
def test_chair_takes_texts_apart_as_nltk_does(text, words):
    assert chair._words(text) == words


def test_extracted_letters():
    for case in golden("extracted"):
        assert extracted(case["answer"], case["letters"]) == case["letter"], case


@pytest.mark.parametrize(
    ("name", "least"),
    [("pope", 30), ("chair", 30), ("mmbench", 30), ("seed_bench", 30), ("realworldqa", 30)],
)
def test_there_are_cases_enough(name, least):
    assert len(golden(name)["rows"]) >= least
