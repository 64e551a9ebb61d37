"""Two ranks train as one does: unequal rows, short batches, parameters that few rows reach."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_model
from test_two_towers import batch as pairs_of
from test_two_towers import siglip
from torch import nn
from training_fakes import CROSS_ENTROPY, ROWS, Small, groups_of, rows

from haiga import events
from haiga.errors import GuardError, ModelError
from haiga.models import device
from haiga.objectives import OBJECTIVES
from haiga.training.loop import fit
from haiga.training.order import batch_indices, share, split
from haiga.training.settings import Hooks, Settings
from haiga.training.watch import Look

SETTINGS = Settings(steps=4, validate_every=4, weight_decay=0.1, eps=1e-4)
"""A softmax does not see the bias of its keys: of a gradient that is rounding alone, a small
epsilon would make a step as long as any."""
RARE = 3
"""A token that half of the rows hold."""


class Seeing(Small):
    """What only some rows reach is one parameter; what none does, another."""

    def __init__(self):
        super().__init__()
        self.rare = nn.Parameter(torch.ones(1, 8))
        self.never = nn.Parameter(torch.ones(1, 8))

    def forward(self, input_ids):
        hidden = self.embedding(input_ids)
        if (input_ids == RARE).any():
            hidden = hidden + self.rare * (input_ids == RARE)[..., None]
        return self.head(torch.tanh(self.layer(hidden)))


def train(folder: Path, rank: int, world: int) -> None:
    """A language model on batches of 11 and 1 rows, then two towers on batches of 8."""

    def batches(step: int):
        own = share(batch_indices(ROWS, ROWS - 1, step, 3), rank, world)
        return [rows(part) for part in split(own, 2)]

    def pairs(step: int):
        own = share(batch_indices(8, 8, step, 3), rank, world)
        return [pairs_of(part) for part in split(own, 3)]

    held = share([rows([at]) for at in range(3)], rank, world)
    towers = siglip(dropout=0.0)
    for name, model, objective, given, validation in (
        ("tokens", Seeing(), CROSS_ENTROPY, batches, held),
        ("towers", towers, OBJECTIVES["siglip"], pairs, [pairs_of([0, 1])][rank:]),
    ):
        hooks = Hooks(events.to_jsonl(folder / f"{name}.jsonl"), lambda held=validation: held)
        fit(model, groups_of(model), objective, given, SETTINGS, folder=folder / name, hooks=hooks)
        if rank == 0:
            save_model(model, folder / f"{name}.safetensors")


def stopped(folder: Path, rank: int) -> None:
    """The first rank alone looks; both stop, and both have what it calls the best."""
    fine = {"ended": 1.0, "language": 1.0, "variety": 1.0, "distinct": 1.0, "words": 9, "wanted": 9}

    def look(model: nn.Module, step: int) -> Look:
        assert rank == 0
        return Look(step, answers=9, parsed=0.1 if step else 1.0, **fine)

    def batches(step: int):
        return [rows([step + rank])]

    model, settings = Small(), Settings(steps=6, watch_every=1)
    groups, hooks = groups_of(model), Hooks(watch=look)
    said = fit(model, groups, CROSS_ENTROPY, batches, settings, folder=folder, hooks=hooks)
    assert said is not None
    assert said.startswith("stopped at step 2: 10% of the answers can be read")
    assert torch.equal(model.layer.weight, Small().layer.weight)


def one_rank(folder: Path, rank: int) -> None:
    """In a process of its own."""
    from training_fakes import use_small_column

    use_small_column()
    other = Small()
    nn.init.constant_(other.layer.bias, rank)
    with pytest.raises(GuardError, match=r"^layer\.bias begins with other values on rank 1"):
        fit(other, groups_of(other), CROSS_ENTROPY, lambda step: [rows([0])], SETTINGS)
    train(folder, rank, 2)
    stopped(folder / "watched", rank)
    device.ranks().destroy_process_group()


def start(folder: Path) -> list[subprocess.Popen]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
    }
    program = "import sys, pathlib, test_ranks; test_ranks.one_rank(pathlib.Path(sys.argv[1]), {})"
    return [
        subprocess.Popen(
            [sys.executable, "-c", program.format(rank), str(folder)],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]


@pytest.mark.usefixtures("small_column")
def test_two_ranks_are_one(tmp_path):
    ranks = start(tmp_path / "two")
    train(tmp_path / "one", 0, 1)
    assert [process.wait(timeout=300) for process in ranks] == [0, 0]
    for name in ("tokens", "towers"):
        one, two = (load_file(tmp_path / n / f"{name}.safetensors") for n in ("one", "two"))
        for key, value in one.items():
            torch.testing.assert_close(two[key], value, rtol=0, atol=1e-5, msg=key)
        logs = [events.read(tmp_path / n / f"{name}.jsonl") for n in ("one", "two")]
        assert logs[1][0]["ranks"] == 2
        for a, b in zip(*logs, strict=True):
            assert a["kind"] == b["kind"]
            for key in ("loss", "grad_norm", "train_loss", "effective_batch"):
                assert a.get(key, 0) == pytest.approx(b.get(key, 0), rel=1e-4)


def test_what_no_row_reaches_does_not_move(tmp_path, small_column):
    train(tmp_path, 0, 1)
    learnt = load_file(tmp_path / "tokens.safetensors")
    assert torch.equal(learnt["never"], torch.ones(1, 8))
    assert not torch.equal(learnt["rare"], torch.ones(1, 8))


def test_ranks_that_cannot_speak_to_each_other_are_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    with pytest.raises(ModelError, match="2 processes were started"):
        device.ranks.__wrapped__()
