# ruff: noqa: E501 (a recipe, and a table of faults with a fault per line)
"""A whole run of the design cross_attention: from pictures to a page, stopped and gone on with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

import tiny
import tiny_runs
from haiga import events, store
from haiga.batches.groups import collate
from haiga.batches.render import render
from haiga.errors import RecipeError
from haiga.models.adapters import load_stage
from haiga.models.branches import token_logps
from haiga.models.features import encode_pictures
from haiga.models.pictures import open_picture
from haiga.pipeline.check import check
from haiga.recipe.load import load
from haiga.training import loop
from haiga.training.written import sampled

RECIPE = """
name = "looks"
language = "en"
seed = 7

[source]
name = "floating_world"
prints = 30

[curate]
hamming = 2

[teach]
teacher = { name = "poet" }
tasks = ["haiku", "noir"]
answers = 2

[split]
held_out = 5
validation = 3

[critic]
styles = ["haiku", "noir"]

[model]
design = "cross_attention"
tower = "tower"
language_model = "world:fresh"

[stage.sft]
tasks = ["haiku", "noir", "describe"]
objective = { name = "cross_entropy" }
trainable = [["encoder.*", "frozen"], [".*", 1e-3]]
steps = 3
batch = 4

[stage.rl]
starts_from = "sft"
tasks = ["haiku", "noir"]
objective = { name = "mixed", parts = [{ name = "reinforce", weight = 1.0 }, { name = "kl", weight = 0.1, average = "sequence" }] }
trainable = [["encoder.*", "frozen"], [".*", 1e-3]]
steps = 2
batch = 4

[stage.rl.rollout]
rewards = [{ name = "style", critic = "critic:rewarding" }, { name = "true_to_picture", weight = 0 }]
samples = 2
max_new_tokens = 8

[stage.adapted]
starts_from = "sft"
tasks = ["haiku"]
objective = { name = "dpo" }
rejected = "noir"
adapter = { r = 2, alpha = 4 }
trainable = [[".*lora_.*", 1e-3], [".*crossattention.*", 1e-3], [".*", "frozen"]]
steps = 2
batch = 4

[evaluate]
tasks = ["haiku", "noir"]
conditions = ["full", "blind", "blind_lm", "shuffled", "random_projector"]
max_new_tokens = 6
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("home")
    tiny.tiny_tower(home / "tower", "vit")
    (home / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    said = tiny_runs.haiga(home, "run", "recipe.toml")
    assert said.code == 0, said.err
    return home


def test_every_stage_is_judged_under_every_condition(home):
    summary = json.loads((home / "runs/looks/evaluation/summary.json").read_text())
    assert list(summary) == ["sft", "rl", "adapted"]
    for by_condition in summary.values():
        assert set(by_condition) == {"full", "blind", "blind_lm", "shuffled", "random_projector"}
        assert "style" in by_condition["full"]
    assert (home / "runs/looks/report.html").exists()


def test_pictures_are_encoded_once_for_all_stages(home):
    said = [
        event["text"]
        for stage in ("sft", "rl", "adapted")
        for event in events.read(home / f"runs/looks/stages/{stage}/events.jsonl")
        if "Picture features" in event.get("text", "")
    ]
    assert said[0].endswith("0 known.")
    assert all(" 0 made" in each for each in said[1:])
    assert len(said) == 3


def test_the_reference_is_the_model_that_the_stage_starts_from(home):
    """Everything learns in this stage, so no adapter can be switched off."""
    run = home / "runs/looks"
    _, line, *_ = (run / "stages/rl/rollouts/000001.jsonl").read_text().splitlines()
    noted = json.loads(line)
    final = run / "data/04_final"
    groups = {each.id: each for each in store.read_groups(final, "train", ["haiku", "noir"])}
    group, found = groups[noted["row"]], {}
    shown = [open_picture(store.FinalPictures(final)[each.id]) for each in group.pictures]
    for stage in ("sft", "rl"):
        vlm = load_stage(run / "stages" / stage / "model")
        row = sampled(render(vlm.processor, group, 0), noted["ids"])
        batch = collate([row], vlm.tokenizer.pad_token_id)
        with torch.no_grad():
            found[stage] = token_logps(vlm.model, batch, encode_pictures(vlm, shown))
    reference = torch.tensor(
        [value for own in noted["columns"]["ref_token_logps"] for value in own]
    )
    assert (found["sft"] - reference).abs().max() <= 1e-5
    assert (found["rl"] - reference).abs().max() > 1e-3


def test_a_policy_that_was_stopped_goes_on_to_the_bit(home, tmp_path, monkeypatch):
    whole, stopped = (shutil.copytree(home, tmp_path / name) for name in ("whole", "stopped"))
    words = ["train", "recipe.toml", "--set", "stage.rl.steps=4", "--set", "stage.rl.save_every=1"]
    steps, stepped = [], loop._stepped

    def stopping(*given):
        stepped(*given)
        steps.append(given)
        if len(steps) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_stepped", stopping)
        assert tiny_runs.haiga(stopped, *words, "--rebuild").code == 130
    for each in (whole, stopped):
        said = tiny_runs.haiga(each, *words, "--rebuild")
        assert said.code == 0, said.err
    log = events.read(stopped / "runs/looks/stages/rl/events.jsonl")
    assert 0 < [each for each in log if each["kind"] == "started"][-1]["resumed_from"] < 4
    found, wanted = (
        tiny_runs.files(each / "runs/looks/stages/rl/model") for each in (stopped, whole)
    )
    assert {name: data for name, (_, data) in found.items()} == {
        name: data for name, (_, data) in wanted.items()
    }


def test_dpo_starts_at_ln_2(home):
    steps = events.read(home / "runs/looks/stages/adapted/events.jsonl")
    first = next(event for event in steps if event["kind"] == "step")
    assert first["loss"] == pytest.approx(0.693147, abs=1e-5)


def test_a_second_run_does_nothing(home):
    before = tiny_runs.files(home / "runs/looks/stages")
    assert tiny_runs.haiga(home, "run", "recipe.toml").code == 0
    assert tiny_runs.files(home / "runs/looks/stages") == before


def test_the_model_writes_and_is_exported(home, tmp_path):
    Image.new("RGB", (50, 40), "red").save(tmp_path / "red.png")
    picture, stage = str(tmp_path / "red.png"), "runs/looks/stages/adapted"
    said = tiny_runs.haiga(home, "write", stage, picture)
    assert said.code == 0, said.err
    exported = tiny_runs.haiga(home, "export", stage, str(tmp_path / "out"))
    assert exported.code == 0, exported.err
    assert tiny_runs.haiga(home, "write", str(tmp_path / "out"), picture) == said


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("model.design=crossattention", "model.design: there is no 'crossattention' (did you mean 'cross_attention'?)"),
        ("model.image_token=<|image_pad|>", "model.image_token: cross_attention has no use for it; leave it out"),
        ("model.design=llava", "model: 'world:fresh' makes both models"),
        ("model.language_model=world:language", "model: A model of model_type 'qwen2' is no GPT-2"),
        ("model.tower=world:language", "model: A model of model_type 'qwen2' is no vision tower"),
        ("stage.sft.trainable.0.0=.*vision_tower.*", "stage.sft: The rule '.*vision_tower.*' matches no parameter of the model"),
        ("stage.adapted.adapter.quantised={}", "stage.adapted: The language model of this VisionEncoderDecoderModel has no linear layers"),
        ("evaluate.max_new_tokens=256", "evaluate.max_new_tokens: 256 and a picture of 0 do not fit in the language model's 256 positions"),
    ],
)  # fmt: skip
def test_a_fault_is_found_before_anything_runs(tmp_path, monkeypatch, override, says):
    monkeypatch.chdir(tmp_path)
    tiny.tiny_tower(tmp_path / "tower", "vit")
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    recipe = load(tmp_path / "recipe.toml", [override])
    with pytest.raises(RecipeError) as caught:
        check(recipe)
    assert str(caught.value).startswith(says)


def test_a_llava_needs_a_place_for_its_pictures():
    smoke = Path(__file__).parents[2] / "recipes" / "smoke.toml"
    recipe = load(smoke)
    without = recipe.model_copy(
        update={"model": recipe.model.model_copy(update={"image_token": None})}
    )
    with pytest.raises(
        RecipeError, match=r"model\.image_token: llava puts pictures among the words"
    ):
        check(without)
