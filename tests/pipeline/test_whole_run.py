import json
import re
import shutil
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

import tiny_runs
from haiga import events
from haiga.evaluation.checks import CHECKS
from haiga.models.adapters import load_stage

CONDITIONS = {"full", "blind", "blind_lm", "shuffled", "grey", "random_projector"}
TEXT_MARKS = (".json", ".jsonl", ".toml", ".txt", ".html", ".jinja", ".md")


def summary(home: Path, name: str = "tiny") -> dict:
    return json.loads((home / f"runs/{name}/evaluation/summary.json").read_text("utf-8"))


def test_from_nothing_to_a_report(run_once):
    home, said = run_once
    assert said.out.splitlines()[-2:] == [
        "Report: runs/tiny/report.html",
        "Next: haiga write runs/tiny/stages/sft PICTURE.jpg",
    ]
    assert "sft: training" in said.err
    assert "Loading weights" not in said.err
    assert "[transformers]" not in said.err
    for part in ("data/04_final", "base", "stages/align", "stages/sft"):
        assert (home / "runs/tiny" / part / "manifest.json").exists()
    assert not list((home / "runs/tiny").rglob("resume"))
    assert not list((home / "runs/tiny").rglob("plan.json"))


def test_the_summary_names_stage_condition_check_and_score(finished):
    found = summary(finished)
    assert list(found) == ["align", "sft"]
    for by_condition in found.values():
        assert set(by_condition) == CONDITIONS
        for by_check in by_condition.values():
            assert set(by_check) <= set(CHECKS)
            assert by_check
            for score in by_check.values():
                assert set(score) == {"mean", "low", "high", "n"}
                assert score["low"] <= score["mean"] <= score["high"]
                assert 0 < score["n"] <= 5


def test_the_report_stands_alone(finished):
    page = (finished / "runs/tiny/report.html").read_text("utf-8")
    assert "<html" in page
    assert "tiny" in page
    outside = re.findall(
        r"""(?:src|href)\s*=\s*["']?(?!data:|#)[^"'\s>]+|url\((?!["']?data:|#)""", page
    )
    # Links to its neighbours fetch nothing.
    links = {each for each in outside if not each.startswith('href="evaluation/')}
    assert links == {'href="health.html'}
    assert "@import" not in page


def test_a_second_run_makes_nothing_again(home):
    before = tiny_runs.files(home / "runs")
    started = time.monotonic()
    said = tiny_runs.haiga(home, "run", "recipe.toml")
    assert time.monotonic() - started < 10
    assert said.code == 0
    assert "training" not in said.err
    after = tiny_runs.files(home / "runs")
    # Scores are computed again from the answers, and the pages from the scores; all come out equal.
    pages = ("tiny/recipe.toml", "tiny/report.html", "tiny/cards/", "tiny/evaluation/")
    changed = {name for name in after if before.get(name, (0,))[0] != after[name][0]}
    assert all(name.startswith(pages) and "/answers/" not in name for name in changed), changed
    assert {name: data for name, (_, data) in before.items() if name != "tiny/report.html"} == {
        name: data for name, (_, data) in after.items() if name != "tiny/report.html"
    }


def test_only_the_projector_and_the_adapter_are_trained_and_kept(finished):
    stages = finished / "runs/tiny/stages"
    base = dict(load_stage(finished / "runs/tiny/base").model.named_parameters())
    align = dict(load_stage(stages / "align/model").model.named_parameters())
    sft = dict(load_stage(stages / "sft/model").model.named_parameters())
    for name in base:
        projector = "multi_modal_projector" in name
        assert bool((base[name] == align[name]).all()) is not projector, name
        if "vision_tower" in name:
            assert bool((base[name] == sft[name]).all()), name
    moved = {name for name in base if not bool((align[name] == sft[name]).all())}
    assert any("language_model" in name and "q_proj" in name for name in moved)
    assert not (stages / "sft/model/weights.safetensors").exists()
    assert not (stages / "align/model/adapter_model.safetensors").exists()
    adapter = load_file(stages / "sft/model/adapter_model.safetensors")
    # Rank 2 on q, k, v, o, gate, up and down of two layers: (in + out) * 2 each.
    shapes = [(64, 64), (64, 32), (64, 32), (64, 64), (64, 128), (64, 128), (128, 64)]
    assert sum(t.numel() for t in adapter.values()) == 2 * sum((i + o) * 2 for i, o in shapes)
    size = (stages / "sft/model/adapter_model.safetensors").stat().st_size
    assert size < sum(t.numel() for t in adapter.values()) * 4 + 8_192


def test_a_stage_is_marked_with_what_it_learned(finished):
    said = json.loads((finished / "runs/tiny/stages/sft/haiga.json").read_text("utf-8"))
    assert said == {"task": "haiku", "language": "en", "control": False}


def test_no_file_of_a_run_holds_an_absolute_path(finished):
    home = str(finished).encode()
    looked = 0
    for path in (finished / "runs").rglob("*"):
        if path.is_file():
            looked += 1
            data = path.read_bytes()
            assert home not in data, path
            if path.suffix in TEXT_MARKS and path.name != "report.html":
                assert b"site-packages" not in data, path
    assert looked > 30


def test_a_run_may_be_moved_between_stages(tmp_path):
    home = tiny_runs.prepare(tmp_path / "here")
    short = tiny_runs.RECIPE[: tiny_runs.RECIPE.index("[stage.sft]")]
    (home / "first.toml").write_text(short + "[evaluate]\nmax_new_tokens = 6\n", "utf-8")
    for command in ("curate", "train"):
        assert tiny_runs.haiga(home, command, "first.toml").code == 0
    made = tiny_runs.files(home / "runs")
    there = tiny_runs.prepare(tmp_path / "there")
    (there / "elsewhere").mkdir()
    (home / "runs/tiny").rename(there / "elsewhere/tiny")
    said = tiny_runs.haiga(there, "run", "recipe.toml", "--workdir", "elsewhere")
    assert said.code == 0, said.err
    assert "align: training" not in said.err
    assert "sft: training" in said.err
    now = tiny_runs.files(there / "elsewhere")
    for name in made:
        if name != "tiny/recipe.toml" and not name.startswith("tiny/features/"):
            assert now[name] == made[name], name


CONTROL = """
[stage.control]
starts_from = "align"
tasks = ["haiku"]
pictures = false
objective = { name = "cross_entropy" }
adapter = { r = 2, alpha = 4 }
trainable = [[".*lora_.*", 1e-3], [".*", "frozen"]]
steps = 2
batch = 4

[stage.varied]
starts_from = "align"
tasks = ["haiku"]
objective = { name = "cross_entropy" }
augment = { crop = 0.2, flip = true }
trainable = [[".*multi_modal_projector.*", 1e-3], [".*", "frozen"]]
steps = 2
batch = 4

[stage.seeing]
starts_from = "align"
tasks = ["haiku"]
objective = { name = "cross_entropy" }
trainable = [[".*multi_modal_projector.*", 1e-3], [".*vision_tower.*", 1e-4], [".*", "frozen"]]
steps = 2
batch = 4
"""


@pytest.fixture(scope="module")
def variants(finished, tmp_path_factory) -> tuple[Path, tiny_runs.Said]:
    """A control without pictures, a stage with crops and flips, and one that trains the tower."""
    home = shutil.copytree(finished, tmp_path_factory.mktemp("variants") / "home")
    text = tiny_runs.RECIPE.replace("[evaluate]\n", CONTROL + "\n[evaluate]\n")
    (home / "recipe.toml").write_text(text, "utf-8")
    return home, tiny_runs.haiga(home, "run", "recipe.toml")


def test_more_stages_leave_the_finished_ones_alone(variants):
    _, said = variants
    assert said.code == 0, said.err
    assert "sft: training" not in said.err
    assert "seeing: training" in said.err


def test_a_control_is_asked_blind_only_and_is_not_what_a_run_writes_with(variants):
    home, _ = variants
    assert set(summary(home)["control"]) == {"blind"}
    said = json.loads((home / "runs/tiny/stages/control/haiga.json").read_text("utf-8"))
    assert said["control"] is True


def test_crops_and_flips_say_that_the_cache_is_off(variants):
    home, said = variants
    line = next(
        line for line in said.err.splitlines() if line.startswith("varied: No picture cache")
    )
    assert "crops of 80% to 100%" in line
    assert "flipped 50%" in line
    log = events.read(home / "runs/tiny/stages/varied/events.jsonl")
    assert any("No picture cache" in event.get("text", "") for event in log)
    assert not any("Picture features" in event.get("text", "") for event in log)


def test_a_tower_that_learns_is_kept_in_whole(variants):
    home, _ = variants
    stages = home / "runs/tiny/stages"
    kept = load_file(stages / "seeing/model/weights.safetensors")
    assert kept
    assert all("vision_tower" in name for name in kept)
    before = dict(load_stage(stages / "align/model").model.named_parameters())
    after = dict(load_stage(stages / "seeing/model").model.named_parameters())
    assert all(bool((after[name] == kept[name]).all()) for name in kept)
    assert any(not bool((before[name] == kept[name]).all()) for name in kept)
    started = events.read(stages / "seeing/events.jsonl")
    rates = next(e["learning_rates"] for e in started if e["kind"] == "started")
    assert sorted(rates) == [1e-4, 1e-3]


def test_a_tower_and_a_language_model_are_trained_apart(tmp_path):
    home = tiny_runs.prepare(tmp_path, tiny_runs.FRESH)
    said = tiny_runs.haiga(home, "run", "recipe.toml")
    assert said.code == 0, said.err
    stages = home / "runs/fresh/stages"
    for part in ("tower", "language"):
        assert (stages / part / "model/config.json").exists()
        assert (stages / part / "manifest.json").exists()
    assert not (stages / "tower/haiga.json").exists()
    retrieval = json.loads((home / "runs/fresh/evaluation/retrieval.json").read_text("utf-8"))
    assert set(retrieval) == {"tower"}
