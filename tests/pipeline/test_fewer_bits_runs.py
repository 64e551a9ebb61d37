"""Runs in fewer bits: what is frozen is kept in bfloat16, and a finished model is tried in it."""

import torch
from safetensors.torch import load_file

import tiny_runs
from haiga import events
from haiga.evaluation.checks import CHECKS
from haiga.store.files import read_json, write_json

WHOLE = """
[stage.whole]
starts_from = "sft"
tasks = ["haiku"]
objective = { name = "cross_entropy" }
trainable = [[".*vision_tower.*", "frozen"], [".*", 1e-4]]
steps = 2
batch = 4
"""


def kinds(path, part=""):
    return {tensor.dtype for name, tensor in load_file(path).items() if part in name}


def test_frozen_weights_take_half_the_room_and_what_learns_is_in_float32(tmp_path):
    home = tiny_runs.prepare(tmp_path, tiny_runs.RECIPE + WHOLE)
    said = tiny_runs.haiga(home, "run", "recipe.toml", "--set", "model.dtype=bfloat16")
    assert said.code == 0, said.err
    run = home / "runs/tiny"
    assert kinds(run / "base/model.safetensors", "language_model") == {torch.bfloat16}
    assert kinds(run / "base/model.safetensors", "vision_tower") == {torch.bfloat16}
    assert kinds(run / "base/model.safetensors", "multi_modal_projector") == {torch.float32}
    assert kinds(run / "stages/align/model/projector.safetensors") == {torch.float32}
    assert kinds(run / "stages/sft/model/adapter_model.safetensors") == {torch.float32}
    assert kinds(run / "stages/whole/model/weights.safetensors") == {torch.float32}
    for stage, tolerance in (("align", 0.5), ("sft", 0.5), ("whole", 1e-3)):
        told = events.read(run / f"stages/{stage}/events.jsonl")
        (check,) = [event for event in told if event["kind"] == "shared_prefix"]
        assert 0 < check["max_difference"] < check["tolerance"] == tolerance


def test_the_finished_model_in_fewer_bits_is_held_against_itself(tmp_path):
    home = tiny_runs.prepare(tmp_path)
    words = ("run", "recipe.toml", "--set", 'evaluate.variants=["bfloat16"]')
    said = tiny_runs.haiga(home, *words)
    assert said.code == 0, said.err
    folder = home / "runs/tiny/evaluation"
    found = read_json(folder / "variants.json")
    assert found["stage"] == "sft"
    (variant,) = found["variants"].values()
    assert 0 < variant["kl"]["mean"] < 0.1
    assert variant["bytes"] < variant["whole_bytes"]
    assert set(variant["checks"]) <= set(CHECKS)
    timed = read_json(folder / "cost.json")
    assert timed["variants"]["bfloat16"]["dtype"] == "bfloat16"
    assert timed["variants"]["bfloat16"]["parameters_bytes"] < timed["parameters_bytes"]
    asked = {path.parent.name for path in folder.glob("answers/*/bfloat16.jsonl")}
    assert asked == {"sft"}
    before = {name: data for name, (_, data) in tiny_runs.files(folder).items()}
    assert tiny_runs.haiga(home, *words).code == 0
    assert {name: data for name, (_, data) in tiny_runs.files(folder).items()} == before
    assert "The same model in fewer bits" in (home / "runs/tiny/report.html").read_text("utf-8")
    # Without their seconds the page has the variants all the same.
    for left in ({name: each for name, each in timed.items() if name != "variants"}, None):
        (folder / "cost.json").unlink()
        if left is not None:
            write_json(folder / "cost.json", left)
        said = tiny_runs.haiga(home, "report", "recipe.toml", *words[2:])
        assert said.code == 0, said.err
        page = (home / "runs/tiny/report.html").read_text("utf-8")
        assert "The same model in fewer bits" in page
        assert "<th>tokens a second</th>" not in page
