"""A small model, small batches and the column they share: enough to run the whole loop."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from haiga import events
from haiga.objectives import OBJECTIVES
from haiga.training.forward import COLUMNS
from haiga.training.loop import fit
from haiga.training.order import batch_indices, split
from haiga.training.settings import Hooks, Settings
from haiga.training.watch import Look

ROWS, LENGTH, VOCABULARY = 12, 9, 11


@dataclass(frozen=True)
class Rows:
    """Token rows of unequal lengths; a target of -1 is padding."""

    ids: tuple[str, ...]
    input_ids: Tensor
    targets: Tensor


class Small(nn.Module):
    """An embedding that never learns, a layer that does, dropout, and a head."""

    def __init__(self, dropout: float = 0.0):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(VOCABULARY, 8).requires_grad_(False)
        self.layer = nn.Linear(8, 8)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(8, VOCABULARY, bias=False)

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.head(self.dropout(torch.tanh(self.layer(self.embedding(input_ids)))))


def small_logps(model, batch):
    """Stands in for the shared-prefix forward."""
    logps = model(batch.input_ids).log_softmax(-1)
    kept = batch.targets >= 0
    return logps[kept].gather(-1, batch.targets[kept][:, None]).squeeze(-1)


def rows(indices) -> Rows:
    generator = torch.Generator().manual_seed(7)
    tokens = torch.randint(VOCABULARY, (ROWS, LENGTH), generator=generator)
    targets = (tokens * 3 + 1) % VOCABULARY
    for row in range(ROWS):
        targets[row, 1 + row % LENGTH :] = -1
    picked = list(indices)
    return Rows(tuple(f"row-{i}" for i in picked), tokens[picked], targets[picked])


def batches_of(batch: int, micro: int):
    """step -> micro-batches."""

    def batches(step: int) -> list[Rows]:
        return [rows(part) for part in split(batch_indices(ROWS, batch, step, 3), micro)]

    return batches


def groups_of(model: nn.Module, rate: float = 1e-2):
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    return [{"params": [p for _, p in named], "names": [name for name, _ in named], "lr": rate}]


def look(model: nn.Module, step: int) -> Look:
    """How many of the targets are the model's first choice, as if that were what can be read."""
    batch = rows(range(ROWS))
    model.eval()
    with torch.no_grad():
        first, kept = model(batch.input_ids).argmax(-1), batch.targets >= 0
        right = (first == batch.targets)[kept].float().mean()
        desirable = small_logps(model, batch).sum() / ROWS
    model.train()
    return Look(
        step=step,
        answers=int(kept.sum()),
        parsed=float(right),
        ended=1.0,
        language=1.0,
        variety=1.0,
        distinct=1.0,
        words=9.0,
        wanted=9.0,
        desirable=float(desirable),
        spread=1.0,
    )


def use_small_column() -> None:
    """For a process of its own; tests use monkeypatch."""
    COLUMNS["token_logps"] = small_logps


CROSS_ENTROPY = OBJECTIVES["cross_entropy"]


def resumable(folder: Path, pause: float = 0.0, before: Callable[[int], None] = lambda step: None):
    """Twenty steps with dropout, validation, looks and checkpoints; `before` may end it early."""
    model = Small(dropout=0.3)
    inner = batches_of(6, 4)

    def batches(step: int) -> list[Rows]:
        before(step)
        time.sleep(pause)
        return inner(step)

    settings = Settings(
        steps=20, checkpoint_every=3, validate_every=4, watch_every=2, weight_decay=0.1
    )
    log = events.to_jsonl(folder / "events.jsonl")
    hooks = Hooks(log, validation=lambda: [rows([0, 1])], watch=look)
    fit(model, groups_of(model), CROSS_ENTROPY, batches, settings, folder=folder, hooks=hooks)
    return model
