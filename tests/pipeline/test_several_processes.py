"""Two processes at one run, as torchrun starts them: the same files and the same weights as one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import tiny_runs
from haiga import events


def together(home: Path, *words: str) -> tiny_runs.Said:
    """A command in `home`, by two processes."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launcher, "-m", "haiga", *words],
        cwd=home,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    return tiny_runs.Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, tiny_runs.Said]:
    home = tiny_runs.prepare(tmp_path_factory.mktemp("together"))
    said = together(home, "run", "recipe.toml")
    assert said.code == 0, said.err
    return home, said


def test_the_files_and_the_weights_are_those_of_one_process(made, finished):
    one, two = (tiny_runs.files(home / "runs") for home in (finished, made[0]))
    assert one.keys() == two.keys()
    weights = [name for name in one if name.endswith(".safetensors")]
    assert len(weights) == 4
    for name in weights:
        alone, together = (load_file(home / "runs" / name) for home in (finished, made[0]))
        for key, value in alone.items():
            torch.testing.assert_close(together[key], value, rtol=0, atol=1e-5, msg=key)


def test_they_share_a_batch_and_one_of_them_speaks(made, finished):
    logs = [events.read(home / "runs/tiny/stages/sft/events.jsonl") for home in (finished, made[0])]
    one, two = ([event for event in log if event["kind"] == "started"] for log in logs)
    assert (one[0]["ranks"], two[0]["ranks"]) == (1, 2)
    assert one[0]["effective_batch"] == two[0]["effective_batch"] == 4
    assert [event["kind"] for event in logs[0]] == [event["kind"] for event in logs[1]]
    for a, b in zip(*logs, strict=True):
        for key in ("loss", "train_loss", "grad_norm", "groups"):
            assert a.get(key, 0) == pytest.approx(b.get(key, 0), rel=1e-4)
    said = made[1]
    assert said.out.count("Report: ") == said.out.count("Next: ") == 1
    assert said.err.count("sft: training") == 1


def test_what_is_not_trained_is_done_by_one(made):
    home, _ = made
    before = tiny_runs.files(home)
    said = together(home, "evaluate", "recipe.toml")
    assert said.code == 0, said.err
    assert said.err.count("sft: 5 answers under the condition full") == 1
    assert said.out.count("Next: ") == 1
    after = tiny_runs.files(home)
    assert {name: data for name, (_, data) in after.items()} == {
        name: data for name, (_, data) in before.items()
    }
