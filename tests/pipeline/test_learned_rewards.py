"""Rewards that have learned, inside a run: critics, a reward model, and a policy they teach."""

import json
import shutil
from pathlib import Path

import pytest

import tiny_runs
from haiga import events
from haiga.rewards.critic import load, shared_clusters

RECIPE = """
name = "tiny"
language = "en"
seed = 7

[source]
name = "floating_world"
prints = 26

[curate]
hamming = 2

[teach]
teacher = { name = "poet" }
tasks = ["haiku", "noir"]

[split]
held_out = 5
validation = 3

[critic]
styles = ["haiku", "noir"]
evaluating = ["characters"]

[model]
tower = "tower"
language_model = "language"
image_token = "<|image_pad|>"

[stage.sft]
tasks = ["haiku", "noir"]
objective = { name = "cross_entropy" }
adapter = { r = 2, alpha = 4 }
trainable = [[".*lora_.*", 1e-3], [".*", "frozen"]]
steps = 1
batch = 2

[stage.rm]
starts_from = "sft"
tasks = ["haiku", "noir"]
objective = { name = "bradley_terry" }
rejected = "mismatched"
adapter = { r = 2, alpha = 4 }
trainable = [[".*lora_.*", 1e-3], [".*score.weight", 1e-2], [".*", "frozen"]]
steps = 2
batch = 4

[stage.rl]
starts_from = "sft"
tasks = ["haiku", "noir"]
objective = { name = "reinforce" }
adapter = { r = 2, alpha = 4 }
trainable = [[".*lora_.*", 1e-3], [".*", "frozen"]]
steps = 1
batch = 2

[stage.rl.rollout]
samples = 2
max_new_tokens = 6
rewards = [
  { name = "style", critic = "critic:rewarding" },
  { name = "reward_model", model = "stage:rm", centred = true },
  { name = "clip", model = "world:tower", weight = 0.5 },
]

[evaluate]
max_new_tokens = 6
conditions = ["full", "wrong_style", "no_style"]
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> tuple[Path, tiny_runs.Said]:
    """A home with one finished run, and what was said. Not to be changed."""
    home = tiny_runs.prepare(tmp_path_factory.mktemp("home"), RECIPE)
    said = tiny_runs.haiga(home, "run", "recipe.toml")
    assert said.code == 0, said.err
    return home, said


@pytest.fixture
def own(ran, tmp_path) -> Path:
    """A copy of that home, to be changed."""
    return shutil.copytree(ran[0], tmp_path / "home", copy_function=shutil.copy2)


def read(home: Path, name: str):
    return json.loads((home / "runs/tiny" / name).read_text("utf-8"))


def test_twins_share_no_picture_and_are_measured_on_what_neither_has_read(ran):
    folder = ran[0] / "runs/tiny/critics"
    twins = [load(folder / f"{name}.safetensors") for name in ("rewarding", "evaluating")]
    assert [twin.styles for twin in twins] == [("", "haiku", "noir")] * 2
    assert shared_clusters(*twins) == 0
    assert len(twins[0].seen) + len(twins[1].seen) <= 26 - 5 - 3
    for found in read(ran[0], "critics/reliability.json").values():
        assert found["f1"]["n"] == found["calibration_error"]["n"] == 10
        assert 0 <= found["f1"]["low"] <= found["f1"]["mean"] <= found["f1"]["high"] <= 1
        assert set(found["ceiling"]) == {"haiku", "noir"}
        assert sum(each["n"] for each in found["curve"]) == 10
    manifest = read(ran[0], "critics/manifest.json")
    assert manifest["options"] == {
        "styles": ["haiku", "noir"], "rewarding": ["words", "characters"],
        "evaluating": ["characters"], "language": "en", "seed": 7,
    }  # fmt: skip
    assert [list(twin.vectorisers) for twin in twins] == [["words", "characters"], ["characters"]]


def test_every_sample_is_rewarded_by_all_three(ran):
    (told,) = [
        event for event in events.read(ran[0] / "runs/tiny/stages/rl/events.jsonl")
        if event["kind"] == "rollout"
    ]  # fmt: skip
    for name in ("style", "reward_model", "clip"):
        assert f"reward/{name}" in told
        assert told[f"unscored/{name}"] == 0
    assert 0 <= told["reward/style"] <= 1
    assert -1 <= told["reward/clip"] <= 1


def test_style_is_checked_under_each_condition_by_the_twin(ran):
    found = read(ran[0], "evaluation/summary.json")
    assert list(found) == ["sft", "rm", "rl"]
    for stage in ("sft", "rl"):
        assert list(found[stage]) == ["full", "wrong_style", "no_style"]
        for cells in found[stage].values():
            assert cells["style"]["n"] == 10
            assert 0 <= cells["style"]["low"] <= cells["style"]["mean"] <= cells["style"]["high"]
    seen = {(row["check"], row["against"]) for row in read(ran[0], "evaluation/comparisons.json")}
    assert {("style", "wrong_style"), ("style", "no_style"), ("style", "sft")} <= seen


def test_a_reward_model_is_asked_about_pairs_and_for_no_answers(ran):
    found = read(ran[0], "evaluation/summary.json")["rm"]
    assert list(found) == ["pairs"]
    assert list(found["pairs"]) == ["accuracy", "calibration_error"]
    kept = read(ran[0], "evaluation/pairs/rm.json")
    right = [row["margin"] > 0 for row in kept["rows"]]
    assert found["pairs"]["accuracy"]["mean"] == pytest.approx(sum(right) / len(right))
    assert found["pairs"]["accuracy"]["n"] == len(right) == 10
    assert all(row["chosen"] != row["rejected"] for row in kept["rows"])
    assert not (ran[0] / "runs/tiny/evaluation/answers/rm").exists()
    assert not (ran[0] / "runs/tiny/stages/rm/haiga.json").exists()
    kinds = {event["kind"] for event in events.read(ran[0] / "runs/tiny/stages/rm/events.jsonl")}
    assert "validation" in kinds
    assert not {"sample", "look"} & kinds
    assert ran[1].out.splitlines()[-1] == "Next: haiga write runs/tiny/stages/rl PICTURE.jpg"


def test_names_stay_names(ran):
    home = str(ran[0]).encode()
    for path in (ran[0] / "runs").rglob("*"):
        if path.is_file():
            assert home not in path.read_bytes(), path
    manifest = read(ran[0], "stages/rl/manifest.json")
    assert {each["name"] for each in manifest["options"]["rollout"]["rewards"]} == {
        "style", "reward_model", "clip",
    }  # fmt: skip
    asked = manifest["options"]["rollout"]["rewards"][1]
    assert asked["model"] == "stage:rm"
    assert manifest["parents"]["stage:rm"] == read(ran[0], "stages/rm/manifest.json")["fingerprint"]
    assert manifest["parents"]["critics"] == read(ran[0], "critics/manifest.json")["fingerprint"]


def test_the_report_shows_who_rewarded_and_who_judged(ran):
    page = (ran[0] / "runs/tiny/report.html").read_text("utf-8")
    for words in ("Critics of style", "rewarding", "evaluating", "Reward models", "Reliability"):
        assert words in page


def test_nothing_is_made_again(own):
    before = tiny_runs.files(own / "runs")
    said = tiny_runs.haiga(own, "run", "recipe.toml")
    assert said.code == 0, said.err
    after = tiny_runs.files(own / "runs")
    assert {name for name in before if before[name][1] != after[name][1]} <= {"tiny/report.html"}
    assert before.keys() == after.keys()
    assert "training" not in said.err
    assert "F1" not in said.err


def test_pairs_are_not_scored_again_under_the_same_weights(own):
    shutil.rmtree(own / "runs/tiny/stages/rm/model")
    said = tiny_runs.haiga(own, "evaluate", "recipe.toml")
    assert said.code == 0, said.err


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("stage.rm.steps=3", "stages/rm is complete, but was made otherwise"),
        ('critic.styles=["haiku","noir","describe"]', "critics is complete, but was made"),
    ],
)  # fmt: skip
def test_a_change_of_what_rewards_is_named(own, override, says):
    said = tiny_runs.haiga(own, "run", "recipe.toml", "--set", override)
    assert said.code == 2
    assert says in said.err


def test_a_policy_learns_anew_when_what_rewarded_it_is_made_anew(own):
    said = tiny_runs.haiga(
        own, "train", "recipe.toml", "--set", "stage.rm.steps=1", "--rebuild"
    )  # fmt: skip
    assert said.code == 0, said.err
    assert "sft: training" not in said.err
    assert "rm: training" in said.err
    assert "rl: training" in said.err


def test_what_rewarded_is_a_parent_and_its_drift_is_named(own):
    path = own / "runs/tiny/stages/rl/manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["parents"]["stage:rm"] = manifest["fingerprint"] = "0" * 32
    path.write_text(json.dumps(manifest), "utf-8")
    said = tiny_runs.haiga(own, "run", "recipe.toml")
    assert said.code == 2
    assert "its parent stage:rm has been made anew" in said.err


def test_a_look_says_that_critics_would_be_made(tmp_path):
    home = tiny_runs.prepare(tmp_path, RECIPE)
    said = tiny_runs.haiga(home, "run", "recipe.toml", "--dry-run")
    assert said.code == 0, said.err
    assert "critics\twould be made" in said.out
