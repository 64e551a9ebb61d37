"""Attention of a training step in bfloat16 on a CPU: torch's kernel against plain products.

32 groups of 170 positions, 4 heads of 48 and 2 of keys, as the founding recipe's SFT has them;
forward and backward, in milliseconds, the fastest of 30 of each, which take turns.
"""

from __future__ import annotations

import time
from types import SimpleNamespace

import torch
from torch import Tensor
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from haiga.models.attention import attend
from haiga.models.branches import branch_mask

ROWS, HEADS, GROUPS, WIDTH, PREFIX, ANSWER, ANSWERS = 32, 4, 2, 48, 86, 21, 4
LAYER = SimpleNamespace(num_key_value_groups=HEADS // GROUPS, is_causal=True)
WAYS = {"torch's kernel": sdpa_attention_forward, "plain products": attend}
REPEAT = 30


def once(way: str, given: list[Tensor], mask: Tensor, dtype: torch.dtype) -> tuple[float, float]:
    start = time.perf_counter()
    with torch.autocast("cpu", dtype, enabled=dtype is torch.bfloat16):
        said, _ = WAYS[way](LAYER, *given, mask, scaling=WIDTH**-0.5)  # type: ignore[operator]
    middle = time.perf_counter()
    torch.autograd.grad(said, given, torch.ones_like(said))
    return middle - start, time.perf_counter() - middle


def main() -> None:
    torch.manual_seed(0)
    segments = torch.tensor([0] * PREFIX + [k + 1 for k in range(ANSWERS) for _ in range(ANSWER)])
    mask = branch_mask(segments.expand(ROWS, -1))
    shapes = [(ROWS, len(segments), heads, WIDTH) for heads in (HEADS, GROUPS, GROUPS)]
    given = [torch.randn(shape).transpose(1, 2).requires_grad_() for shape in shapes]
    print(f"{torch.get_num_threads()} threads")
    for dtype in (torch.bfloat16, torch.float32):
        seen: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for _ in range(REPEAT):
            for way in WAYS:
                seen[way].append(once(way, given, mask, dtype))
        for way, times in seen.items():
            forward, backward = (1000 * min(each) for each in zip(*times, strict=True))
            print(f"{dtype!s:15} {way:15} forward {forward:5.1f}  backward {backward:5.1f}")


if __name__ == "__main__":
    main()
