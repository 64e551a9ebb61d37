"""The driver of the experiments pools answers over seeds as it says."""

from pathlib import Path

import pytest

from haiga.evaluation.checks import Part

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import experiments

    return experiments


def run(driver, number, before, after):
    """A run of one check; shares as numerators over 1."""
    parts = {
        (stage, "full"): {"c": [Part(value) for value in values]}
        for stage, values in (("sft", before), ("dpo", after))
    }
    return driver.Answers(parts, [f"{number} {at}" for at in range(len(before))])


def test_a_step_is_pooled_over_pictures_and_told_seed_by_seed(driver):
    seen = [run(driver, 1, [0, 0, 0, 1], [1, 0, 0, 1]), run(driver, 2, [1, 0], [1, 0])]
    found = driver.step(seen, "dpo", "sft", "c", 0.05)
    assert found.pooled.difference == pytest.approx(1 / 6)
    assert found.pooled.n == 6
    assert found.each == pytest.approx((0.25, 0.0))
    assert not found.stayed.holds  # six pictures show nothing of the kind
    assert driver.step(seen, "dpo", "sft", "c", None).stayed is None


def test_seeds_share_no_cluster(driver):
    seen = [run(driver, number, [0, 1], [1, 1]) for number in (1, 2)]
    groups = [cluster for each in seen for cluster in each.clusters]
    assert len(set(groups)) == 4


def test_a_check_that_applies_nowhere_makes_no_row(driver):
    nowhere = driver.Answers({(s, "full"): {"c": [None]} for s in ("sft", "dpo")}, ["a"])
    assert driver.step([nowhere], "dpo", "sft", "c", None) is None


def test_what_is_watched_is_counted(driver, tmp_path):
    from types import SimpleNamespace

    from haiga import events

    def made(name, *told):
        sink = events.to_jsonl(tmp_path / name / "events.jsonl")
        for each in told:
            sink(each)

    look = {"kind": "look", "step": 24, "seconds": 0.5}
    step = {"kind": "step", "step": 24, "seconds": 9.5}
    made("dpo", look, step, look, step)
    made("kto", look, step, {"kind": "stopped", "step": 24})
    made("sft", step)
    stages = {"sft": None, "dpo": None, "kto": None}
    one = SimpleNamespace(recipe=SimpleNamespace(stage=stages), stage=lambda name: tmp_path / name)
    assert driver.watching([one])[2:] == [
        "| dpo | 1 | 2 | 1.0 of 20 s (5.0 %) | 0 of 1 |",
        "| kto | 1 | 1 | 0.5 of 10 s (5.0 %) | 1 of 1 (step 24) |",
    ]


def test_both_sides_of_the_pairs_are_checked(driver):
    from haiga.records import IMAGE, Answer, Group, Picture, assistant, user

    scene = {"things": ["boat", "moon"], "season": "autumn", "setting": "sea"}
    told = {
        "chosen": ("There is a boat under the moon.", "Somebody took the boat."),
        "rejected": ("The crow says nothing.", "There is a moon above the crow."),
    }
    answers = [Answer((assistant(t),), kind=kind) for kind, texts in told.items() for t in texts]
    group = Group(
        "1", (user(IMAGE),), tuple(answers), (Picture("p"),), "noir", meta={"scene": scene}
    )
    assert driver.shares([group], "chosen", ["named_precision"])["named_precision"] == 100
    assert driver.shares([group], "rejected", ["named_precision"])["named_precision"] == (
        pytest.approx(100 / 3)
    )
