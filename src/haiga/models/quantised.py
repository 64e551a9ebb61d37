"""Frozen weights in four bits under an adapter: QLoRA (Dettmers et al. 2023, arXiv:2305.14314).

The linear layers of the language model become bitsandbytes' own, in place, each as it is moved to
the device, so that no second copy of the model is ever in memory. Head, embeddings and norms stay
as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from haiga.errors import ModelError
from haiga.models.designs import seeing
from haiga.models.device import device
from haiga.models.embeddings import base_of, body_of
from haiga.models.score import SCORE
from haiga.recipe.schema import Quantised

LEARNS = (".lora_", f"{SCORE}.")
"""Parts of the names of what a stage may train over quantised weights, beside the bridge."""


def quantise(model: Any, how: Quantised) -> None:
    """Cut the language model's linear layers to four bits, in place; the tower becomes bfloat16.

    Before an adapter is attached: PEFT then hangs its own kind of adapter on these layers.
    """
    base = base_of(model)
    seeing(base).tower(base).to(torch.bfloat16)
    four_bits(model, how)
    base.is_loaded_in_4bit = True  # what PEFT asks before it looks at the layers


def four_bits(model: Any, how: Quantised) -> None:
    """Cut the language model's linear layers to four bits, in place, and leave all else."""
    import bitsandbytes  # for GPUs, and heavy: an extra

    base = base_of(model)
    compute = getattr(torch, how.compute_dtype)
    for parent in list(body_of(base).modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear:
                setattr(parent, name, _cut(bitsandbytes.nn, layer, how, compute))


def refuse_training(model: nn.Module) -> None:
    """That there are weights to quantise, and that rules train nothing but what is kept in full.

    Raises:
        ModelError: there are none, or the rules train something else.
    """
    base = base_of(model)
    layers = body_of(base).named_modules()
    if not any(isinstance(layer, nn.Linear) and "lora_" not in name for name, layer in layers):
        raise ModelError(
            f"The language model of this {type(base).__name__} has no linear layers that could be "
            "quantised: GPT-2's are of another kind (Conv1D). Leave 'quantised' out."
        )
    bridge = seeing(base).bridge
    for name, parameter in model.named_parameters():
        kept = any(part in name for part in LEARNS) or re.fullmatch(bridge, name)
        if parameter.requires_grad and not kept:
            raise ModelError(
                f"{name} would be trained, and beside quantised weights only the adapter, the "
                "projector and a head of scores are: freeze it, or leave 'quantised' out."
            )


@contextmanager
def in_float32(model: nn.Module) -> Iterator[None]:
    """Products with quantised weights in float32 meanwhile, to compare two ways of one thing."""
    layers: list[Any] = [layer for layer in model.modules() if _is_cut(layer)]
    before = [layer.compute_dtype for layer in layers]
    try:
        for layer in layers:
            layer.compute_dtype = torch.float32
        yield
    finally:
        for layer, dtype in zip(layers, before, strict=True):
            layer.compute_dtype = dtype
            if layer.bias is not None:  # which bitsandbytes keeps in the dtype of the last product
                layer.bias.data = layer.bias.data.to(dtype)


def _cut(kinds: Any, layer: nn.Linear, how: Quantised, compute: torch.dtype) -> nn.Module:
    made = kinds.Linear4bit(
        layer.in_features,
        layer.out_features,
        bias=layer.bias is not None,
        compute_dtype=compute,
        compress_statistics=how.double,
        quant_type=how.type,
        device="meta",
    )
    made.weight = kinds.Params4bit(
        layer.weight.data,
        requires_grad=False,
        compress_statistics=how.double,
        quant_type=how.type,
        module=made,
    ).to(device())
    # On a CPU it would lay frozen weights out anew when they are first read without a gradient.
    made.support_avx512bf16_for_cpu = False
    if layer.bias is not None:
        # In its dtype at once: bitsandbytes would change it in the first product, and it is frozen.
        made.bias = nn.Parameter(layer.bias.data.to(device(), compute), requires_grad=False)
    return made


def _is_cut(layer: Any) -> bool:
    """Whether it is bitsandbytes' layer; PEFT's around it has the same name."""
    return hasattr(layer, "quant_state") and hasattr(layer, "compute_dtype")
