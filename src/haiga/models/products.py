"""Products in float32 on a CPU with AVX-512, by oneDNN, where torch asks MKL.

torch has two libraries for float32 products on x86 and takes MKL, which is half as fast on an AMD
processor (`benchmarks/products.py`). oneDNN computes in float32 as well; sums are added in another
order. It is reached by the operator that torch's own compiler emits, which has no gradient: so
this is for products whose gradient is written by hand, and for passes without one.
"""

from __future__ import annotations

from typing import Any, Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

_AVX512: Final = torch.backends.cpu.get_cpu_capability() == "AVX512"


def linear(
    x: Float[Tensor, "R I"], weight: Float[Tensor, "O I"], bias: Float[Tensor, " O"] | None = None
) -> Float[Tensor, "R O"]:
    """x Wᵀ + b, without a graph; the weight may be a transposed view."""
    if not (_AVX512 and _in_float32_on_cpu(x, weight) and x.numel()):
        return F.linear(x, weight, bias)
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def laid_out(weight: Float[Tensor, "O I"], rows: int) -> Tensor:
    """The weight as the processor wants it for products with so many rows, for `by_laid_out`.

    `linear` has it laid out so for each product, which takes as long as the product of few rows.
    Elsewhere than on a CPU with AVX-512 it is the weight itself.
    """
    if not _laid_out_by_onednn(weight):
        return weight
    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows)


def by_laid_out(
    x: Float[Tensor, "R I"], laid: Tensor, bias: Float[Tensor, " O"] | None = None
) -> Float[Tensor, "R O"]:
    """x Wᵀ + b, without a graph, by a weight that `laid_out` has laid out."""
    if laid.is_mkldnn:
        return torch.ops.mkldnn._linear_pointwise(x, laid, bias, "none", [], "")
    return F.linear(x, laid, bias)


def apply(layer: Any, x: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
    """What a layer says of `x`: by `linear` where nothing keeps a graph and it is a plain one."""
    kind = x.device.type
    if torch.is_grad_enabled() or torch.is_autocast_enabled(kind) or type(layer) is not nn.Linear:
        return layer(x)
    rows = linear(x.reshape(-1, x.shape[-1]), layer.weight, layer.bias)
    return rows.view(*x.shape[:-1], -1)


def _laid_out_by_onednn(weight: Tensor) -> bool:
    kinds = (torch.float32, torch.bfloat16)
    return _AVX512 and weight.device.type == "cpu" and weight.dtype in kinds


def _in_float32_on_cpu(x: Tensor, weight: Tensor) -> bool:
    return x.device.type == weight.device.type == "cpu" and x.dtype is weight.dtype is torch.float32
