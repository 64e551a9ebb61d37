"""Preference and policy stages through the command line, from a model that an adapter changed."""

import contextlib
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import tiny_runs
from haiga import events, store
from haiga.batches.groups import collate
from haiga.batches.render import render
from haiga.evaluation import preferences
from haiga.models.adapters import load_stage
from haiga.models.branches import token_logps
from haiga.models.features import encode_pictures
from haiga.models.pictures import open_picture
from haiga.pipeline import preferred
from haiga.pipeline.run import open_run
from haiga.recipe.load import load

TAIL = """
adapter = { r = 2, alpha = 4 }
trainable = [[".*lora_.*", 1e-3], [".*multi_modal_projector.*", 1e-3], [".*", "frozen"]]
steps = 3
batch = 4
micro_batch = 3
starts_from = "sft"
tasks = ["haiku"]
watch = false
"""
STAGES = f"""
[stage.dpo]
objective = {{ name = "dpo", beta = 0.3 }}
rejected = "same"
{TAIL}
[stage.ipo]
objective = {{ name = "ipo", beta = 0.1 }}
rejected = "same"
{TAIL}
[stage.kto]
objective = {{ name = "kto", undesirable_weight = 1.0 }}
rejected = "same"
mismatched = true
{TAIL}
[stage.mpo]
rejected = "same"
{TAIL}
[stage.mpo.objective]
name = "mixed"
parts = [{{ name = "dpo", weight = 0.8 }}, {{ name = "bco", weight = 0.2 }},
         {{ name = "nll", weight = 1.0 }}]

[stage.orpo]
objective = {{ name = "orpo" }}
rejected = "mismatched"
max_tokens = 150
answers = 1
{TAIL}
[stage.kto_of_good_answers]
objective = {{ name = "kto", undesirable_weight = 1.0 }}
mismatched = true
{TAIL}
[stage.one_sample]
objective = {{ name = "reinforce" }}
{TAIL}
[stage.one_sample.rollout]
rewards = [{{ name = "variety", n = 1 }}]
advantage = {{ name = "moving_baseline" }}
samples = 1
max_new_tokens = 6

[stage.equal_rewards]
objective = {{ name = "grpo" }}
{TAIL}
[stage.equal_rewards.rollout]
rewards = [{{ name = "form" }}]
advantage = {{ name = "group_relative" }}
samples = 3
max_new_tokens = 6
"""


@pytest.fixture(scope="module")
def learned(finished, tmp_path_factory):
    """The finished run with more stages, which train projector and adapter."""
    home = tmp_path_factory.mktemp("preferences") / "home"
    shutil.copytree(finished, home, copy_function=shutil.copy2)
    with (home / "recipe.toml").open("a", encoding="utf-8") as recipe:
        recipe.write(STAGES)
    said = tiny_runs.haiga(home, "train", "recipe.toml")
    assert said.code == 0, said.err
    return home / "runs/tiny"


def told(run, stage, kind):
    path = run / "stages" / stage / "events.jsonl"
    return [event for event in events.read(path) if event["kind"] == kind]


@pytest.mark.parametrize(
    ("stage", "start"), [("dpo", math.log(2)), ("ipo", 1 / (4 * 0.1**2)), ("kto", 0.5)]
)
def test_the_reference_is_the_model_that_the_stage_starts_from(learned, stage, start):
    """Whose own adapter has moved: without it, or without its projector, nothing would be equal."""
    config = json.loads((learned / "stages/sft/model/adapter_config.json").read_text())
    assert config["r"] == 2
    first, *later = told(learned, stage, "step")
    assert first["loss"] == pytest.approx(start, abs=1e-5)
    assert all(step["loss"] != pytest.approx(start, abs=1e-5) for step in later)


def test_what_one_stage_asked_of_the_start_another_does_not_ask_again(learned):
    assert [event["stage"] for event in told(learned, "dpo", "progress")] == ["references"] * 7
    assert told(learned, "ipo", "progress") == told(learned, "mpo", "progress") == []
    assert len(list((learned / "references").iterdir())) == 1


def test_a_row_beyond_the_budget_is_named_and_dropped(learned):
    dropped = told(learned, "orpo", "dropped")
    assert dropped
    assert all("where 150 are allowed" in event["reason"] for event in dropped)
    (rows,) = told(learned, "orpo", "rows")
    assert rows["dropped"] == len(dropped)
    assert 0 < rows["groups"] < 18
    seen = {event["row"] for event in dropped}
    assert len(seen) == len(dropped)


def test_a_mixture_tells_its_parts_apart(learned):
    step = told(learned, "mpo", "step")[0]
    assert step["dpo_loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert step["bco_loss"] == pytest.approx(2 * math.log(2), abs=1e-5)
    whole = 0.8 * step["dpo_loss"] + 0.2 * step["bco_loss"] + step["nll_loss"]
    assert step["loss"] == pytest.approx(whole, rel=1e-5)


def test_without_undesirable_answers_their_metrics_are_absent(learned):
    steps = told(learned, "kto_of_good_answers", "step")
    assert steps[0]["loss"] == pytest.approx(0.5, abs=1e-5)
    for step in (*steps, *told(learned, "kto_of_good_answers", "validation")):
        assert {"chosen_rewards", "mismatched_log_ratio", "reference_point"} <= step.keys()
        assert not {"rejected_rewards", "rejected_logps"} & step.keys()
    assert "rejected_rewards" in told(learned, "kto", "step")[0]


def test_one_sample_of_a_prompt_is_enough_for_a_moving_baseline(learned):
    rollouts = told(learned, "one_sample", "rollout")
    assert [event["rollout"] for event in rollouts] == [0, 1, 2]
    taught = [any(map(any, advantages)) for advantages in _advantages(learned, "one_sample")]
    assert taught.count(True) >= 2  # a rollout all of which was worth what was expected may occur
    assert [step["grad_norm"] > 0 for step in told(learned, "one_sample", "step")] == taught


def _advantages(run, stage):
    """Rollout by rollout, those of the tokens of each prompt's samples."""
    for path in sorted((run / "stages" / stage / "rollouts").glob("*.jsonl")):
        yield [line["columns"]["advantages"][0] for line in events.read(path)[1:]]


def test_equal_rewards_move_nothing_and_are_no_fault(learned):
    assert {event["reward"] for event in told(learned, "equal_rewards", "rollout")} == {0.0}
    for step in told(learned, "equal_rewards", "step"):
        assert step["loss"] == step["grad_norm"] == 0
    kept = load_file(learned / "stages/equal_rewards/model/adapter_model.safetensors")
    assert all(not tensor.any() for name, tensor in kept.items() if "lora_B" in name)


@pytest.fixture(scope="module")
def judged_by_pairs(learned):
    recipe = load(learned.parents[1] / "recipe.toml")
    with contextlib.chdir(learned.parents[1]):
        preferred.evaluate(open_run(recipe, learned.parent))
    return preferences.read(learned / "evaluation")


def test_held_out_pairs_tell_what_was_learned_from_pairs(judged_by_pairs, learned):
    """By the stage's model and by its start's, which are read here the plain way."""
    assert set(judged_by_pairs) == {"dpo", "ipo", "kto", "mpo", "orpo"}
    row = judged_by_pairs["dpo"]["rows"][0]
    final = learned / "data/04_final"
    group = next(g for g in store.read_groups(final, "held_out", ["haiku"]) if g.id == row["id"])
    answer = next(a for a in group.answers if a.text == row["chosen"]["text"])
    for stage, when in (("sft", "before"), ("dpo", "now")):
        vlm = load_stage(learned / "stages" / stage / "model")
        plain = render(vlm.processor, replace(group, answers=(answer,)), vlm.picture_tokens)
        batch = collate([plain], vlm.tokenizer.pad_token_id)
        views = [open_picture(store.FinalPictures(final)[group.pictures[0].id])]
        with torch.no_grad():
            logps = token_logps(vlm.model, batch, encode_pictures(vlm, views))
        assert row["chosen"][when] == pytest.approx(float(logps.sum()), abs=1e-3)
        assert row["chosen"]["tokens"] == len(logps)
    assert row["chosen"]["now"] != row["chosen"]["before"]


def test_what_was_judged_by_pairs_is_not_judged_again(judged_by_pairs, learned, monkeypatch):
    monkeypatch.setattr(preferred, "of_held_out", None)
    with contextlib.chdir(learned.parents[1]):
        preferred.evaluate(open_run(load(Path("recipe.toml")), learned.parent))
    assert preferences.read(learned / "evaluation") == judged_by_pairs
