"""Attention on a CPU: in bfloat16 by two plain matrix products, else by torch's kernel at its best.

torch 2.13's flash kernel for CPUs takes several times as long in bfloat16, most of it on the way
back (`benchmarks/attention.py`); in float32 it is as fast. There it is given keys and values that
several heads share as they are: transformers, which minds other devices' kernels, copies them for
every head as soon as there is a mask, which takes longer than attention where few tokens are new.
"""

from __future__ import annotations

from typing import Any, Final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME: Final = "products_on_cpu"
LIMIT: Final = 2**24
"""Scores that a layer may keep for the backward pass, 2 bytes each; torch's kernel keeps none."""
HIDDEN: Final = -1e30
"""Added to the score of what is not seen: finite, so that a row that sees nothing has no NaN."""


def use(model: Any) -> None:
    """Have a model's decoder attend so, if it would attend by torch's `sdpa`."""
    decoder = model.config.get_text_config()
    if decoder._attn_implementation == "sdpa":
        name = next(
            (n for n in model.config.sub_configs if getattr(model.config, n) is decoder), ""
        )
        model.set_attn_implementation({name: NAME})


def attend(
    module: nn.Module,
    query: Float[Tensor, "B H Q D"],
    key: Float[Tensor, "B G K D"],
    value: Float[Tensor, "B G K D"],
    attention_mask: Bool[Tensor, "B 1 Q K"] | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **rest: Any,
) -> tuple[Float[Tensor, "B Q H D"], None]:
    """An attention function as transformers calls it; the mask is True where a key is seen.

    H is a multiple of G (grouped queries, Ainslie et al. 2023, arXiv:2305.13245).
    """
    scores = query.shape[0] * query.shape[1] * query.shape[2] * key.shape[2]
    if dropout or scores > LIMIT or not _in_bfloat16_on_cpu(query):
        if _is_shared_on_cpu(query, key) and attention_mask is not None and not dropout:
            return _by_kernel(query, key, value, attention_mask, scaling), None
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **rest
        )
    # As torch's: only a layer that looks back at its own words is causal without a mask.
    if attention_mask is None and query.shape[2] > 1 and getattr(module, "is_causal", True):
        attention_mask = query.new_ones(query.shape[2], key.shape[2], dtype=torch.bool).tril()
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    with torch.autocast("cpu", enabled=False):
        query, key, value = (part.to(torch.bfloat16) for part in (query, key, value))
        return _by_products(query, key, value, attention_mask, scale).transpose(1, 2), None


def _by_kernel(
    query: Tensor, key: Tensor, value: Tensor, seen: Tensor, scale: float | None
) -> Float[Tensor, "B Q H D"]:
    out = F.scaled_dot_product_attention(
        query, key, value, attn_mask=seen, scale=scale, enable_gqa=True
    )
    return out.transpose(1, 2).contiguous()


def _by_products(
    query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, scale: float
) -> Float[Tensor, "B H Q D"]:
    rows, heads, queries, width = query.shape
    groups = key.shape[1]
    # The heads of a group side by side: a key is met by all of them in one product.
    stacked = query.reshape(rows * groups, -1, width)
    keys, values = (part.reshape(rows * groups, -1, width) for part in (key, value))
    scores = torch.bmm(stacked * scale, keys.transpose(1, 2))
    if seen is not None:
        # Added, and made by arithmetic: masked fills go through scores and mask one by one.
        hidden = seen.to(scores.dtype).sub_(1).mul_(-HIDDEN)
        scores = scores.view(rows, heads, queries, -1).add_(hidden)
    # softmax computes in float32 inside and rounds what it gives.
    weights = scores.softmax(-1).view(rows * groups, -1, keys.shape[1])
    return torch.bmm(weights, values).view(rows, heads, queries, width)


def _is_shared_on_cpu(query: Tensor, key: Tensor) -> bool:
    return query.device.type == "cpu" and query.shape[1] != key.shape[1]


def _in_bfloat16_on_cpu(query: Tensor) -> bool:
    on = query.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    return on and torch.get_autocast_dtype("cpu") is torch.bfloat16


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
