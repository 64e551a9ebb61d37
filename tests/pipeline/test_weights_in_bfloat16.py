"""A run whose weights are kept in bfloat16: what is frozen is, and what learns is not."""

import torch
from safetensors.torch import load_file

import tiny_runs
from haiga import events

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
