"""Products in float32 on a CPU by torch's own call and by haiga's, which asks oneDNN.

Rows times the transposed weight, as in a layer's forward pass, of the shapes of
`group_forward.py`: the attention's and the MLP's matrices, and the head. `rows` are those of a
token being written (16 samples), of a few answers, and of a step. The error is the largest one
against float64, in parts of the largest number.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from haiga.models import products

WEIGHTS = ((512, 512), (2048, 512), (512, 2048), (32_000, 512))
ROWS = (16, 256, 2400)
WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "torch": F.linear,
    "haiga": products.linear,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeat", type=int, default=20)
    repeat = parser.parse_args().repeat
    print(f"{torch.get_num_threads()} threads, the fastest of {repeat}\n")
    print("| weight | rows | torch, GFLOP/s | haiga, GFLOP/s | times | error | error |")
    print("|---|---|---|---|---|---|---|")
    for shape in WEIGHTS:
        for rows in ROWS:
            x, weight = torch.randn(rows, shape[1]), torch.randn(shape)
            truth = F.linear(x.double(), weight.double())
            rates, errors = [], []
            for way in WAYS.values():
                flops = 2 * rows * weight.numel()
                rates.append(flops / fastest(way, x, weight, repeat) / 1e9)
                errors.append(float((way(x, weight) - truth).abs().max() / truth.abs().max()))
            size = " x ".join(map(str, shape))
            found = [f"{rate:.0f}" for rate in rates] + [f"{rates[1] / rates[0]:.1f}"]
            print(f"| {' | '.join([size, str(rows), *found, *(f'{e:.0e}' for e in errors)])} |")


def fastest(
    way: Callable[[Tensor, Tensor], Tensor], x: Tensor, weight: Tensor, repeat: int
) -> float:
    """Seconds of one product, after one that warms up."""
    way(x, weight)
    best = float("inf")
    for _ in range(repeat):
        start = time.perf_counter()
        way(x, weight)
        best = min(best, time.perf_counter() - start)
    return best


if __name__ == "__main__":
    main()
