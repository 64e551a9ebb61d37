"""Linear layers laid out for many products with the same weights, on a CPU.

Writing token by token, each weight is met once a token by few rows. oneDNN lays a weight out for
the processor before every product, which takes half as long as such a product; under autocast,
torch casts it once more. Here both are done once, for as long as a block lasts, and what is read in
it goes through oneDNN as well (`models.products`). The copies say what the layers say, an adapter's
low-rank part beside the frozen one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import torch
from jaxtyping import Float
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from haiga.models import lora, products
from haiga.models.embeddings import body_of

LIMIT: Final = 2**30
"""Bytes of all copies. Larger models stay as they are: memory may not hold their weights twice."""


class Low(NamedTuple):
    """An adapter's part of a product, s (x Aᵀ) Bᵀ."""

    a: Float[Tensor, "I R"]
    b: Float[Tensor, "R O"]
    scale: float


class Laid(nn.Module):
    """What a linear layer says of `rows` rows, without a graph."""

    def __init__(self, layer: nn.Linear, dtype: torch.dtype, rows: int, low: Low | None) -> None:
        super().__init__()
        self.laid = products.laid_out(layer.weight.detach().to(dtype), rows)
        self.added = None if layer.bias is None else layer.bias.detach().to(dtype)
        self.dtype, self.low = dtype, low

    def forward(self, x: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
        rows = x.reshape(-1, x.shape[-1]).to(self.dtype)
        out = products.by_laid_out(rows, self.laid, self.added)
        if self.low is not None:
            out.addmm_(rows @ self.low.a, self.low.b, alpha=self.low.scale)
        return out.view(*x.shape[:-1], -1)


@contextmanager
def laid_out(base: Any, rows: int) -> Iterator[None]:
    """A model's body and head are meanwhile laid out, best for `rows` rows at a time.

    Where that is worth nothing (on an accelerator), or too large, they are what they always are.
    """
    head = base.get_output_embeddings()
    places = ((parent, *place) for parent in base.modules() for place in parent.named_children())
    layers = [*_linear(body_of(base)), *(each for each in places if each[2] is head)]
    weights = [_plain(layer).weight for _, _, layer in layers]
    size = sum(weight.numel() * _dtype(weight).itemsize for weight in weights)
    if base.device.type != "cpu" or size > LIMIT or type(head) is not nn.Linear:
        yield
        return
    for parent, name, layer in layers:
        setattr(parent, name, _laid(layer, rows))
    try:
        yield
    finally:
        for parent, name, layer in layers:
            setattr(parent, name, layer)


def _linear(parent: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Linear | lora.Linear]]:
    """Plain linear layers and plain adapted ones, with their places."""
    for name, child in parent.named_children():
        if type(child) is nn.Linear or (type(child) is lora.Linear and child.is_plain()):
            yield parent, name, child
        elif not isinstance(child, BaseTunerLayer):  # whose own layers are its own business
            yield from _linear(child)


def _plain(layer: nn.Linear | lora.Linear) -> Any:
    return layer.base_layer if isinstance(layer, lora.Linear) else layer


def _dtype(weight: Tensor) -> torch.dtype:
    """What products with it are made in."""
    kind = weight.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype


def _laid(layer: nn.Linear | lora.Linear, rows: int) -> Laid:
    dtype, low = _dtype(_plain(layer).weight), None
    if isinstance(layer, lora.Linear):
        a, b, scale = layer.factors()
        low = Low(a.detach().to(dtype).T.contiguous(), b.detach().to(dtype).T.contiguous(), scale)
    return Laid(_plain(layer), dtype, rows, low)
