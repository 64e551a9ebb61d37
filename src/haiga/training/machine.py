"""What a stage asks of the machine that trains it, and what of that is not there."""

from __future__ import annotations

from importlib.util import find_spec

import torch

from haiga.errors import TrainingError
from haiga.recipe.schema import Stage


def lacking(name: str, stage: Stage) -> list[str]:
    """A sentence for each setting of a stage that this machine cannot follow."""
    asks = {
        "adapter.quantised": stage.adapter is not None and stage.adapter.quantised is not None,
        "optimiser": stage.optimiser == "paged_adamw",
    }
    lacks = []
    if find_spec("bitsandbytes") is None:
        lacks.append("bitsandbytes (pip install 'haiga[gpu]')")
    if not torch.cuda.is_available():
        lacks.append("a GPU")
    return [
        f"stage.{name}.{field}: it needs {' and '.join(lacks)}, which this machine has not; a "
        "run's folder may be moved to one that has before this stage"
        for field, asked in asks.items()
        if asked and lacks
    ]


def require(name: str, stage: Stage) -> None:
    """Raises: TrainingError: this machine cannot train the stage."""
    lacks = lacking(name, stage)
    if lacks:
        raise TrainingError("\n".join(lacks))
