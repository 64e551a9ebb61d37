"""The learning rate as a pure function of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math


def learning_rate_factor(
    step: int, steps: int, warmup_share: float, peak: float, floor: float = 1e-6
) -> float:
    """What the peak learning rate is multiplied by at `step`, counted from 0.

    Linear over the first ceil(warmup_share * steps) steps, ending at 1; then half a cosine
    (Loshchilov and Hutter 2017) from 1 to floor / peak, which it would reach at `steps`. A peak
    below the floor stays where it is.
    """
    warmup = math.ceil(warmup_share * steps)
    if step < warmup:
        return (step + 1) / warmup
    lowest = min(1.0, floor / peak) if peak > 0 else 1.0
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return lowest + (1 - lowest) * (1 + math.cos(math.pi * progress)) / 2
