"""Two ranks with unequal numbers of tokens train as one process does."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_model
from training_fakes import CROSS_ENTROPY, Small, batches_of, groups_of, rows

from haiga import events
from haiga.training.loop import fit
from haiga.training.order import batch_indices, share, split
from haiga.training.settings import Hooks, Settings

SETTINGS = Settings(steps=4, validate_every=4, weight_decay=0.1)


def train(folder: Path, batches, validation) -> None:
    model = Small()
    hooks = Hooks(events.to_jsonl(folder / "events.jsonl"), validation=validation)
    fit(model, groups_of(model), CROSS_ENTROPY, batches, SETTINGS, folder=folder, hooks=hooks)
    if int(os.environ.get("RANK", 0)) == 0:
        save_model(model, folder / "model.safetensors")


def one_rank(folder: Path, rank: int, world: int) -> None:
    """In a process of its own."""
    from training_fakes import ROWS, use_small_column

    use_small_column()

    def batches(step: int):
        own = share(batch_indices(ROWS, 6, step, 3), rank, world)
        return [rows(part) for part in split(own, 2)]

    train(folder, batches, lambda: [rows([rank])])


@pytest.mark.usefixtures("small_column")
def test_two_ranks_are_one(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "PYTHONPATH": str(Path(__file__).parent),
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
    }
    program = (
        "import sys, pathlib, test_ranks; test_ranks.one_rank(pathlib.Path(sys.argv[1]), {}, 2)"
    )
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", program.format(rank), str(tmp_path / "two")],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    train(tmp_path / "one", batches_of(6, 6), lambda: [rows([0, 1])])
    assert [process.wait(timeout=120) for process in ranks] == [0, 0]
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6)
    logs = [events.read(tmp_path / name / "events.jsonl") for name in ("one", "two")]
    assert logs[1][0]["ranks"] == 2
    assert logs[1][0]["effective_batch"] == 6
    for a, b in zip(*logs, strict=True):
        assert a["kind"] == b["kind"]
        for key in ("loss", "grad_norm", "train_loss"):
            assert a.get(key, 0) == pytest.approx(b.get(key, 0), rel=1e-4)
