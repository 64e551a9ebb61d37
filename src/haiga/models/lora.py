"""LoRA's product in one piece: y = x Wᵀ + s (x Aᵀ) Bᵀ (Hu et al. 2021, arXiv:2106.09685).

PEFT computes the low-rank part beside the frozen one, scales it and adds it, and autograd does the
same backwards: five passes over arrays as large as the layer's output, which bound a step on wide
layers. Here both parts are added inside matrix products, as Unsloth does it by hand for its
families, and the input is cast once. The adapter itself is PEFT's, on disk and in memory. Products
are made by whichever library is fast (`models.products`), and turned as it is fastest.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from peft.tuners import lora
from torch import Tensor, nn

from haiga.models import products


class Linear(lora.Linear):
    """PEFT's LoRA layer; where it is the plain case, its product is made in one piece."""

    def forward(
        self, x: Float[Tensor, "... I"], *args: Any, **named: Any
    ) -> Float[Tensor, "... O"]:
        if self.disable_adapters and not (args or named or self.merged):
            return products.apply(self.base_layer, x)
        if args or named or not self.is_plain():
            return super().forward(x, *args, **named)
        kind = x.device.type
        a, b, scale = self.factors()
        base: Any = self.base_layer
        dtype = base.weight.dtype
        if torch.is_autocast_enabled(kind):
            dtype = torch.get_autocast_dtype(kind)
        parts = (x, base.weight, a, b, base.bias)
        with torch.autocast(kind, enabled=False):
            cast = (None if part is None else part.to(dtype) for part in parts)
            return _Product.apply(*cast, scale)

    def factors(self) -> tuple[Float[Tensor, "R I"], Float[Tensor, "O R"], float]:
        """A, B and s of the adapter that is on."""
        name = self.active_adapters[0]
        a: Any = self.lora_A[name]
        b: Any = self.lora_B[name]
        return a.weight, b.weight, float(self.scaling[name])

    def is_plain(self) -> bool:
        """One adapter that is on and not folded in, nothing dropped out, on a frozen layer."""
        if self.disable_adapters or self.merged or len(self.active_adapters) != 1:
            return False
        name = self.active_adapters[0]
        return (
            name in self.lora_A
            and name not in self.lora_variant
            and (not self.training or isinstance(self.lora_dropout[name], nn.Identity))
            and self.lora_B[name].bias is None
            and not any(weight.requires_grad for weight in self.base_layer.parameters())
        )


class _Product(torch.autograd.Function):
    """Gradients of x, A and B: g W + u A, uᵀ x and s gᵀ (x Aᵀ), with u = s g B."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor, bias: Tensor | None, scale: float
    ) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        low = products.linear(rows, a)
        out = products.linear(rows, weight, bias).addmm_(low, b.T, alpha=scale)
        ctx.save_for_backward(rows, low, weight, a, b)
        ctx.scale, ctx.shape = scale, x.shape
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, low, weight, a, b = ctx.saved_tensors
        grad = grads[0].reshape(-1, weight.shape[0])
        up = products.linear(grad, b.T).mul_(ctx.scale)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = products.linear(grad, weight.T).addmm_(up, a).view(ctx.shape)
        of_a = products.linear(up.T, rows.T)
        of_b = products.linear(low.T, grad.T).T.mul(ctx.scale)
        return of_x, None, of_a, of_b, None, None
