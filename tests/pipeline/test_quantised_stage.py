"""A stage over quantised weights: what the machine must have, and the stage itself where it may."""

import math
import shutil

import pytest
import torch
from safetensors.torch import load_file

import tiny_runs
from haiga import events
from haiga.recipe.schema import Stage
from haiga.training import loop, machine, optimiser
from haiga.training.settings import Settings

QLORA = """
[stage.qlora]
starts_from = "sft"
tasks = ["haiku"]
objective = { name = "dpo" }
rejected = "same"
adapter = { r = 2, alpha = 4, quantised = { type = "nf4", double = true } }
optimiser = "paged_adamw"
trainable = [[".*lora_.*", 1e-3], [".*multi_modal_projector.*", 1e-3], [".*", "frozen"]]
steps = 4
batch = 4
micro_batch = 2
dtype = "bfloat16"
save_every = 2
watch = { every = 2, pictures = 2 }
"""


@pytest.fixture
def asking(finished, tmp_path):
    """The finished run's home, with a stage that asks for a GPU."""
    home = shutil.copytree(finished, tmp_path / "home", copy_function=shutil.copy2)
    with (home / "recipe.toml").open("a", encoding="utf-8") as recipe:
        recipe.write(QLORA)
    return home


@pytest.fixture
def bare(monkeypatch):
    """A machine with neither a GPU nor bitsandbytes."""
    monkeypatch.setattr(machine, "find_spec", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("bare")
def test_check_says_what_is_missing_and_plan_counts(asking):
    said = tiny_runs.haiga(asking, "check", "recipe.toml")
    assert said.code == 0, said.err
    for field in ("adapter.quantised", "optimiser"):
        assert f"stage.qlora.{field}: it needs bitsandbytes" in said.out
    assert "and a GPU, which this machine has not" in said.out
    counted = tiny_runs.haiga(asking, "plan", "recipe.toml").out
    sizes = {line.split("\t")[0]: line.split("\t")[1:3] for line in counted.splitlines()}
    assert sizes["qlora"] == sizes["sft"]


@pytest.mark.usefixtures("bare")
def test_a_machine_that_lacks_it_is_told_before_anything_is_trained(asking):
    before = tiny_runs.files(asking / "runs/tiny/stages/sft")
    said = tiny_runs.haiga(asking, "train", "recipe.toml")
    assert said.code == 2
    assert "stage.qlora.optimiser: it needs bitsandbytes" in said.err
    assert not (asking / "runs/tiny/stages/qlora/events.jsonl").exists()
    assert tiny_runs.files(asking / "runs/tiny/stages/sft") == before


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("adapter.quantised.type", "nf5", "nf4"),
        ("adapter.quantised.compute_dtype", "int8", "bfloat16"),
        ("adapter.quantised.blocks", "64", "quantised.blocks"),
        ("optimiser", "paged", "paged_adamw"),
        (
            "trainable",
            '[[".*lora_.*",1e-3],[".*vision_tower.*",1e-4],[".*","frozen"]]',
            "freeze it",
        ),
    ],
)
def test_settings_that_do_not_fit_are_faults(asking, field, value, says):
    said = tiny_runs.haiga(asking, "check", "recipe.toml", "--set", f"stage.qlora.{field}={value}")
    assert said.code == 2
    assert "stage.qlora" in said.err
    assert says in said.err


def test_a_stage_that_asks_for_nothing_lacks_nothing(bare):
    plain = Stage.model_validate(
        {
            "tasks": ("haiku",),
            "objective": {"name": "dpo"},
            "rejected": "same",
            "adapter": {"r": 2, "alpha": 4.0},
            "trainable": ((".*", 1e-3),),
            "steps": 1,
            "batch": 2,
        }
    )
    assert machine.lacking("s", plain) == []


@pytest.fixture
def allowed(monkeypatch):
    """bitsandbytes runs on a CPU, too slowly for anything but this."""
    pytest.importorskip("bitsandbytes")
    monkeypatch.setattr(machine, "lacking", lambda name, stage: [])


@pytest.mark.usefixtures("allowed")
@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
def test_it_starts_at_its_own_reference_and_goes_on_to_the_bit(asking, tmp_path, monkeypatch):
    crashed = shutil.copytree(asking, tmp_path / "crashed", copy_function=shutil.copy2)
    said = tiny_runs.haiga(asking, "train", "recipe.toml")
    assert said.code == 0, said.err
    stage = asking / "runs/tiny/stages/qlora"
    told = events.read(stage / "events.jsonl")
    (gap,) = [e["max_difference"] for e in told if e["kind"] == "shared_prefix"]
    assert gap < 1e-4
    losses = [event["loss"] for event in told if event["kind"] == "step"]
    assert losses[0] == pytest.approx(math.log(2), abs=1e-3)
    full = events.read(asking / "runs/tiny/stages/sft/events.jsonl")
    sizes = [e["total"] for each in (told, full) for e in each if e["kind"] == "started"]
    assert len(set(sizes)) == 1
    kept = load_file(stage / "model/adapter_model.safetensors")
    assert {tensor.dtype for tensor in kept.values()} == {torch.float32}

    def stop(run, done, history, frozen, going_on=loop._after):
        going_on(run, done, history, frozen)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        calls = iter([loop._after, loop._after, stop])
        patch.setattr(loop, "_after", lambda *given: next(calls)(*given))
        assert tiny_runs.haiga(crashed, "train", "recipe.toml").code == 130
    again = tiny_runs.haiga(crashed, "train", "recipe.toml")
    assert again.code == 0, again.err
    assert "going on after step 2" in again.err
    other = crashed / "runs/tiny/stages/qlora"
    for name, (_, data) in tiny_runs.files(stage / "model").items():
        assert (other / "model" / name).read_bytes() == data, name


@pytest.mark.usefixtures("allowed")
@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
def test_paged_adamw_is_adamw():
    def trained(kind):
        weight = torch.nn.Parameter(torch.linspace(-1, 1, 12).reshape(3, 4))
        settings = Settings(steps=5, optimiser=kind, weight_decay=0.1)
        groups = [{"params": [weight], "lr": 1e-2, "names": ["weight"]}]
        made = optimiser.adamw(groups, settings)
        for step in range(5):
            made.zero_grad()
            (weight**2 * (step + 1)).sum().backward()
            optimiser.follow_schedule(made, step, settings)
            made.step()
        return weight.detach()

    torch.testing.assert_close(trained("paged_adamw"), trained("adamw"), rtol=1e-5, atol=1e-6)
