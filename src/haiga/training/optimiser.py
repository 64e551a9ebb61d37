"""AdamW over parameter groups, each following the schedule from its own peak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from haiga.training.schedule import learning_rate_factor
from haiga.training.settings import Settings


def adamw(groups: Sequence[Mapping[str, Any]], settings: Settings) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019) with weight decay on matrices only.

    Paged (Dettmers et al. 2023), its moments are bitsandbytes' and may leave a full GPU.

    `groups` are `{"params", "lr", "names"}`; each is split into what decays and what does not, and
    keeps its peak learning rate as "peak" and its parameters' names as "names".
    """
    split = []
    for group in groups:
        named = list(zip(group["names"], group["params"], strict=True))
        for matrices, decay in ((True, settings.weight_decay), (False, 0.0)):
            part = [(name, p) for name, p in named if (p.ndim >= 2) is matrices]
            if part:
                split.append(
                    {
                        "params": [p for _, p in part],
                        "names": [name for name, _ in part],
                        "lr": group["lr"],
                        "peak": group["lr"],
                        "weight_decay": decay,
                    }
                )
    if settings.optimiser == "paged_adamw":
        from bitsandbytes.optim import PagedAdamW32bit  # for GPUs, and heavy: an extra

        paged: torch.optim.Optimizer = PagedAdamW32bit(
            split, betas=settings.betas, eps=settings.eps
        )
        return paged
    return torch.optim.AdamW(split, betas=settings.betas, eps=settings.eps)


def follow_schedule(optimiser: torch.optim.Optimizer, step: int, settings: Settings) -> float:
    """Sets every group's learning rate for `step`, counted from 0; returns the highest."""
    for group in optimiser.param_groups:
        factor = learning_rate_factor(
            step, settings.steps, settings.warmup_share, group["peak"], settings.floor
        )
        group["lr"] = group["peak"] * factor
    return max(group["lr"] for group in optimiser.param_groups)


def named_states(optimiser: torch.optim.Optimizer) -> dict[str, dict[str, Any]]:
    """What the optimiser remembers of each parameter, by the parameter's name."""
    return {
        name: optimiser.state[parameter]
        for group in optimiser.param_groups
        for name, parameter in zip(group["names"], group["params"], strict=True)
        if parameter in optimiser.state
    }
