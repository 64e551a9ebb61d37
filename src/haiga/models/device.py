"""Where this process computes, and among how many: the one place that asks.

torchrun and accelerate launch start several processes, the ranks; each has an accelerator of its
own. Whatever opens a model for use moves it to `device()`; inputs follow the model.
"""

from __future__ import annotations

import gc
import os
from datetime import timedelta
from functools import cache
from typing import Final

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

from haiga.errors import ModelError

PATIENCE: Final = timedelta(days=7)
"""How long ranks wait for each other: as long as one may be busy with pictures and teachers."""


@cache
def ranks() -> PartialState:
    """This process among those that a launcher started, or alone; the others are met on first use.

    On the CPU where torch offers no accelerator, or where ACCELERATE_USE_CPU says so.

    Raises:
        ModelError: several processes were started on accelerators that cannot speak to each other.
    """
    # Left to itself, accelerate takes ranks without an accelerator for as many single processes.
    cpu = not torch.accelerator.is_available() or parse_flag_from_env("ACCELERATE_USE_CPU")
    state = PartialState(cpu=cpu, timeout=PATIENCE)
    started = int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1
    if state.num_processes != started:
        raise ModelError(
            f"{started} processes were started, and torch has no way for them to work together on "
            f"{state.device.type}. Start one, or set ACCELERATE_USE_CPU=true for all."
        )
    return state


def device() -> torch.device:
    """The accelerator that torch offers this process, or the CPU where there is none."""
    return ranks().device


def forget_peak() -> None:
    """Begin to count this process's memory on its accelerator anew, where it has one.

    What nobody holds any more goes first: a model whose layers hold each other stays until then.
    """
    if device().type == "cuda":
        gc.collect()
        torch.cuda.reset_peak_memory_stats()


def peak_bytes() -> int | None:
    """The most memory that tensors held on the accelerator at once; None on a CPU.

    What torch's allocator keeps in reserve for the next ones is not in it.
    """
    return torch.cuda.max_memory_allocated() if device().type == "cuda" else None
