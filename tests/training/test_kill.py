"""kill -9 in the middle of a run, in a process of its own; then the same run again, to the bit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_fakes import resumable

from haiga import events
from haiga.training import checkpoint

PROGRAM = """
import sys
from pathlib import Path
from training_fakes import resumable, use_small_column

use_small_column()
resumable(Path(sys.argv[1]), pause=0.1)
"""


def start(folder: Path) -> subprocess.Popen:
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)], env=environment)


def told(folder: Path) -> list[tuple]:
    kept = ("kind", "step", "loss", "lr", "grad_norm", "train_loss", "parsed", "desirable")
    return [
        tuple(event.get(key) for key in kept)
        for event in events.read(folder / "events.jsonl")
        if event["kind"] != "started"
    ]


@pytest.mark.usefixtures("small_column")
def test_kill_and_go_on(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start(killed)
    deadline = time.monotonic() + 120
    while len(events.read(killed / "events.jsonl")) < 9:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = checkpoint.latest(killed / "resume")
    assert reached is not None
    assert reached.name < "step-00000020"

    resumable(killed)
    resumable(whole)
    ends = [
        load_file(checkpoint.latest(f / "resume") / "tensors.safetensors") for f in (whole, killed)
    ]
    assert ends[0].keys() == ends[1].keys()
    assert "optimiser.exp_avg_sq.layer.weight" in ends[0]
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name]), name
    assert told(whole) == told(killed)
    best = [(f / "resume" / checkpoint.BEST).read_bytes() for f in (whole, killed)]
    assert best[0] == best[1]
    starts = [e for e in events.read(killed / "events.jsonl") if e["kind"] == "started"]
    assert [e["resumed_from"] for e in starts] == [0, int(reached.name.removeprefix("step-"))]
