"""kill -9 in the middle of a stage, through the command line; then the same command again."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import tiny_runs
from haiga import events
from haiga.evaluation import run as evaluation

LONGER = ["--set", "stage.sft.steps=24", "--set", "stage.sft.save_every=2", "--rebuild"]
PROGRAM = """
import sys, time
from haiga.cli import main
from haiga.pipeline import models
from haiga.training import loop

models._BEAT = 0
at_full_speed = loop._stepped

def slower(*given):
    at_full_speed(*given)
    time.sleep(0.1)

loop._stepped = slower
sys.exit(main())
"""
"""Slow enough to be caught between two steps."""
PPO = """
[stage.ppo]
starts_from = "sft"
tasks = ["haiku"]
adapter = { r = 2, alpha = 4, dropout = 0.1 }
trainable = [[".*lora_.*", 1e-3], [".*score.weight", 1e-2], [".*multi_modal_projector.*", 1e-3],
             [".*", "frozen"]]
steps = 16
batch = 4
micro_batch = 3
save_every = 3
watch = { every = 5, pictures = 2 }

[stage.ppo.objective]
name = "mixed"
parts = [{ name = "ppo", weight = 1.0 }, { name = "value", weight = 0.5 },
         { name = "kl", weight = 0.1 }]

[stage.ppo.rollout]
rewards = [{ name = "variety", n = 1 }, { name = "length", minimum = 2, maximum = 4 }]
advantage = { name = "gae" }
samples = 2
max_new_tokens = 6
kl = 0.05
epochs = 2
minibatches = 2
"""
"""Everything that PPO has, four steps to a rollout: after 6 or 9 of them it is in the middle."""


def test_killed_and_gone_on_with_to_the_bit(finished, tmp_path):
    whole, killed = (
        shutil.copytree(finished, tmp_path / name, copy_function=shutil.copy2)
        for name in ("whole", "killed")
    )
    words = ["train", "recipe.toml", *LONGER]
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], cwd=killed)
    log = killed / "runs/tiny/stages/sft/events.jsonl"
    deadline = time.monotonic() + 100
    while sum(event["kind"] == "step" for event in events.read(log)) < 7 or not list(
        log.parent.glob("resume/step-*")
    ):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    stage = killed / "runs/tiny/stages/sft"
    assert not (stage / "manifest.json").exists()
    assert not (stage / "model").exists()
    plan = json.loads((stage / "plan.json").read_text())
    assert plan["seconds"] > 6 * 0.1
    (stage / "plan.json").write_text(json.dumps({**plan, "seconds": 1000.0}))

    began = time.monotonic()
    assert tiny_runs.haiga(killed, *words).code == 0
    session = time.monotonic() - began
    seconds = json.loads((stage / "manifest.json").read_text())["seconds"]
    assert 1000 < seconds < 1000 + session
    assert tiny_runs.haiga(whole, *words).code == 0
    starts = [e["resumed_from"] for e in events.read(log) if e["kind"] == "started"]
    assert starts[0] == 0
    assert 4 <= starts[1] < 24
    found = tiny_runs.files(stage / "model")
    wanted = tiny_runs.files(whole / "runs/tiny/stages/sft/model")
    assert found.keys() == wanted.keys()
    for name in wanted:
        assert found[name][1] == wanted[name][1], name
    assert not (stage / "resume").exists()


def test_a_stage_begun_by_another_recipe_is_not_gone_on_with(finished, tmp_path):
    home = shutil.copytree(finished, tmp_path / "home", copy_function=shutil.copy2)
    stage = home / "runs/tiny/stages/sft"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "train", "recipe.toml", *LONGER], cwd=home
    )
    while not list(stage.glob("resume/step-*")):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    said = tiny_runs.haiga(home, "train", "recipe.toml", "--set", "stage.sft.answers=1")
    assert said.code == 0, said.err
    assert "going on" not in said.err
    starts = [e for e in events.read(stage / "events.jsonl") if e["kind"] == "started"]
    assert [e["resumed_from"] for e in starts] == [0]


def test_ppo_killed_in_the_middle_of_a_rollout_goes_on_to_the_bit(finished, tmp_path):
    whole, killed = (
        shutil.copytree(finished, tmp_path / name, copy_function=shutil.copy2)
        for name in ("whole", "killed")
    )
    for home in (whole, killed):
        with (home / "recipe.toml").open("a", encoding="utf-8") as recipe:
            recipe.write(PPO)
    words = ["train", "recipe.toml"]
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], cwd=killed)
    stage = killed / "runs/tiny/stages/ppo"
    deadline = time.monotonic() + 100
    while not (stage / "resume/step-00000006").exists():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL

    assert tiny_runs.haiga(killed, *words).code == 0
    assert tiny_runs.haiga(whole, *words).code == 0
    told = events.read(stage / "events.jsonl")
    starts = [event["resumed_from"] for event in told if event["kind"] == "started"]
    assert starts[0] == 0
    assert starts[1] in (6, 9)
    once = whole / "runs/tiny/stages/ppo"
    for part in ("model", "rollouts"):
        found, wanted = tiny_runs.files(stage / part), tiny_runs.files(once / part)
        assert {name: data for name, (_, data) in found.items()} == {
            name: data for name, (_, data) in wanted.items()
        }, part
    assert len(tiny_runs.files(stage / "rollouts")) == 4
    assert steps(told) == steps(events.read(once / "events.jsonl"))


def steps(told):
    """What was said of every step and look, without the times."""
    timed = ("seconds", "tokens_per_second", "eta_seconds")
    return [
        {key: value for key, value in event.items() if key not in timed}
        for event in told
        if event["kind"] in ("step", "look", "rollout")
    ]


EVALUATING = """
import sys, time
from haiga.cli import main
from haiga.evaluation import run

run.CHUNK = 2
kept = run._write_answers

def slower(*given):
    kept(*given)
    time.sleep(0.2)

run._write_answers = slower
sys.exit(main())
"""
"""Slow enough to be caught between two answers of one condition."""


def keys(folder):
    lines = [line for path in folder.rglob("*.jsonl") for line in path.read_text().splitlines()]
    return {json.loads(line)["key"] for line in lines}


def test_an_evaluation_killed_in_the_middle_asks_nothing_twice(finished, tmp_path, monkeypatch):
    home = shutil.copytree(finished, tmp_path / "home", copy_function=shutil.copy2)
    folder = home / "runs/tiny/evaluation"
    wanted = {
        name: data
        for name, (_, data) in tiny_runs.files(folder).items()
        if name != "cost.json"  # seconds are never the same twice
    }
    shutil.rmtree(folder)
    words = ["evaluate", "recipe.toml"]
    process = subprocess.Popen([sys.executable, "-c", EVALUATING, *words], cwd=home)
    half = folder / "answers/sft/blind.jsonl"
    deadline = time.monotonic() + 100
    while not half.exists():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 0 < len(half.read_text().splitlines()) < 5
    done, new, ask = keys(folder / "answers"), set(), evaluation._ask

    def counted(model, condition, items, path, known, *rest):
        before = set(known)
        answers = ask(model, condition, items, path, known, *rest)
        if path.is_relative_to(Path("runs/tiny/evaluation/answers")):
            new.update(set(known) - before)
        return answers

    monkeypatch.setattr(evaluation, "_ask", counted)
    said = tiny_runs.haiga(home, *words)
    assert said.code == 0, said.err
    assert new == keys(folder / "answers") - done
    found = tiny_runs.files(folder)
    assert {name: found[name][1] for name in wanted} == wanted
