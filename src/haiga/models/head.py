"""The LM head where something is learned: log-probs of targets without an N x V matrix alive."""

from __future__ import annotations

from typing import Any, Final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from haiga.models import products

CHUNK: Final = 256
"""Targets that meet the vocabulary at once."""


def target_logps(
    head: nn.Module,
    hidden: Float[Tensor, "N H"],
    targets: Int[Tensor, " N"],
    chunk: int,
    temperature: float = 1.0,
) -> Float[Tensor, " N"]:
    """`log_softmax(head(hidden) / temperature)` at the targets, in fp32, `chunk` rows at a time.

    A frozen linear head is met twice in all: its gradient needs nothing but the probabilities,
    which are at hand in the forward pass. A head that learns is recomputed in the backward pass.
    """
    if type(head) is nn.Linear and not any(p.requires_grad for p in head.parameters()):
        # A linear head is divided before it is met, where there is less to divide.
        bias = None if head.bias is None else head.bias / temperature
        return _FrozenHead.apply(hidden / temperature, head.weight, bias, targets, chunk)
    parts = []
    for rows, wanted in zip(hidden.split(chunk), targets.split(chunk), strict=True):
        if torch.is_grad_enabled():
            parts.append(checkpoint(_logps, head, rows, wanted, temperature, use_reentrant=False))
        else:
            parts.append(_logps(head, rows, wanted, temperature))
    return torch.cat(parts) if parts else hidden.new_zeros(0, dtype=torch.float32)


def _logps(head: nn.Module, hidden: Tensor, targets: Tensor, temperature: float) -> Tensor:
    logits = head(hidden).float() / temperature
    return logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(-1)


class _FrozenHead(torch.autograd.Function):
    """d log p(t) / d hidden = W[t] - sum_v p(v) W[v], taken while p is alive.

    As Liger Kernel does for the cross-entropy (Hsu et al. 2024, arXiv:2410.10989), but for every
    row apart, so that any objective may follow.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, chunk: int
    ) -> Tensor:
        slopes, logps = [], []
        for rows, wanted in zip(hidden.split(chunk), targets.split(chunk), strict=True):
            logits = products.linear(rows, weight, bias)
            scores = logits.float()
            total = scores.logsumexp(-1, keepdim=True)
            logps.append((scores.gather(1, wanted[:, None]) - total)[:, 0])
            if ctx.needs_input_grad[0]:
                slope = scores.sub_(total).exp_().neg_()
                slope.scatter_add_(1, wanted[:, None], slope.new_ones(len(wanted), 1))
                slopes.append(products.linear(slope.to(logits.dtype), weight.T).to(hidden.dtype))
        if slopes:
            ctx.save_for_backward(torch.cat(slopes))
        return torch.cat(logps) if logps else hidden.new_zeros(0, dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None, None, None, None]:
        (slopes,) = ctx.saved_tensors
        return (grads[0][:, None] * slopes).to(slopes.dtype), None, None, None, None
