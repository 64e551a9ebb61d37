import json

import pytest
from scipy.special import expit

from haiga.errors import DataError
from haiga.evaluation.pairs import evaluate_pairs, read_pairs
from haiga.records import Answer, Group, Picture, assistant, user
from haiga.rewards.base import Scored


def group(at, chosen=("good",), rejected=("bad",)):
    answers = [Answer((assistant(text),), "chosen") for text in chosen]
    answers += [Answer((assistant(text),), "rejected") for text in rejected]
    return Group(f"g{at}", (user("Write."),), tuple(answers), (Picture(f"p{at}"),), "haiku")


def judged(groups, ask, folder, weights="w"):
    return evaluate_pairs("rm", weights, groups, ask, folder)


def by_length(groups):
    return [[Scored(float(len(answer.text))) for answer in group.answers] for group in groups]


def test_accuracy_and_calibration_by_hand(tmp_path):
    # Margins 1, 1, 1 and -1: right in 3 of 4, and sure of sigmoid(1) = 0.731 each time.
    groups = [group(at) for at in range(3)] + [group(3, ["bad"], ["good"])]
    found = judged(groups, by_length, tmp_path)
    assert list(found) == ["accuracy", "calibration_error"]
    assert found["accuracy"]["mean"] == 0.75
    assert found["accuracy"]["low"] == pytest.approx(0.3006, abs=1e-4)  # Wilson, 3 of 4
    assert found["calibration_error"]["mean"] == pytest.approx(0.75 - expit(1))
    assert found["accuracy"]["n"] == found["calibration_error"]["n"] == 4
    kept = json.loads((tmp_path / "pairs/rm.json").read_text("utf-8"))
    assert [row["margin"] for row in kept["rows"]] == [1, 1, 1, -1]
    (bin,) = kept["curve"]
    assert bin == {"confidence": pytest.approx(expit(1)), "accuracy": 0.75, "n": 4}
    assert read_pairs(tmp_path)["rm"] == kept


def test_the_k_th_chosen_answer_meets_the_k_th_rejected_one(tmp_path):
    judged([group(0, ["aaaa", "a"], ["bb", "bbb"])], by_length, tmp_path)
    assert [row["margin"] for row in read_pairs(tmp_path)["rm"]["rows"]] == [2, -2]


def test_pairs_of_one_picture_do_not_count_as_so_many(tmp_path):
    texts = [f"{'good' if at % 4 else 'no'}{at:02}" for at in range(40)]
    one = judged(
        [group(at, [text], ["five"]) for at, text in enumerate(texts)], by_length, tmp_path
    )
    few = judged(
        [group(at, texts[at::4], ["five"] * 10) for at in range(4)], by_length, tmp_path / "few"
    )
    assert one["accuracy"]["n"] == few["accuracy"]["n"] == 40
    assert few["accuracy"]["mean"] == one["accuracy"]["mean"]
    assert few["accuracy"]["low"] < one["accuracy"]["low"]


def test_what_is_tied_or_could_not_be_scored_is_not_right(tmp_path):
    def ask(groups):
        odd = {"g0": Scored(None, "no picture"), "g1": Scored(float("nan")), "g2": Scored(1.0)}
        plain = by_length(groups)
        return [
            [odd.get(group.id, each) for each in own]
            for group, own in zip(groups, plain, strict=True)
        ]

    found = judged([group(at) for at in range(4)], ask, tmp_path)
    assert found["accuracy"]["mean"] == 0.25
    assert (found["accuracy"]["n"], found["calibration_error"]["n"]) == (4, 2)
    rows = read_pairs(tmp_path)["rm"]["rows"]
    assert [row["margin"] for row in rows] == [None, None, 0, 1]
    assert [row["why"] for row in rows] == ["no picture", "The scores are nan and nan.", "", ""]


def test_pairs_are_scored_again_under_other_weights_alone(tmp_path):
    asked = []

    def ask(groups):
        asked.append(len(groups))
        return by_length(groups)

    groups = [group(at) for at in range(3)]
    first = judged(groups, ask, tmp_path)
    assert judged(groups, ask, tmp_path) == first
    judged(groups, ask, tmp_path, weights="others")
    judged(groups[:2], ask, tmp_path, weights="others")
    assert asked == [3, 3, 2]


def test_nothing_to_judge_by_has_its_sentence(tmp_path):
    with pytest.raises(DataError, match="rm cannot be judged: no held-out group has"):
        judged([], by_length, tmp_path)
    with pytest.raises(DataError, match=r"not score a single held-out pair\. It is broken\."):
        judged([group(0)], lambda groups: [[Scored(None, "It is broken.")] * 2], tmp_path)
