"""Preference stages through the command line, from a model that an adapter has changed."""

import json
import math
import shutil

import pytest

import tiny_runs
from haiga import events

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
{TAIL}
"""


@pytest.fixture(scope="module")
def learned(finished, tmp_path_factory):
    """The finished run with five more stages, which train projector and adapter."""
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
