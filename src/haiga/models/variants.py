"""The same model in fewer bits, for whoever wants to know whether it still writes the same.

    bfloat16               weights and products of 16 bits; the projector stays in float32
    int8_tower             the tower's linear layers in eight bits (LLM.int8, Dettmers et al.
                           2022, arXiv:2208.07339), the rest as it is
    int4_language_model    the language model's linear layers in four bits (NF4, double
                           quantisation, Dettmers et al. 2023, arXiv:2305.14314), the rest as it is

The last two are bitsandbytes' layers, which a GPU runs fast and a CPU slowly.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final

import torch
from torch import nn

from haiga.errors import ModelError
from haiga.models.designs import seeing
from haiga.models.device import device
from haiga.models.embeddings import base_of
from haiga.models.quantised import four_bits
from haiga.recipe.schema import Quantised


def bfloat16(model: Any) -> None:
    """Everything but what lies between tower and language model."""
    base = base_of(model)
    bridge = seeing(base).bridge
    for name, parameter in base.named_parameters():
        if not re.fullmatch(bridge, name):
            parameter.data = parameter.data.to(torch.bfloat16)


def int8_tower(model: Any) -> None:
    """The tower's linear layers; inputs are cut to eight bits as they come."""
    import bitsandbytes  # for GPUs, and heavy: an extra

    # Before every product it warns that inputs are cast to 16 bits first, as LLM.int8 does.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    base = base_of(model)
    for parent in list(seeing(base).tower(base).modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear:
                setattr(parent, name, _eight_bits(bitsandbytes.nn, layer))


def int4_language_model(model: Any) -> None:
    """The language model's linear layers; products are in the model's own dtype."""
    dtype = str(base_of(model).dtype).removeprefix("torch.")
    four_bits(model, Quantised(compute_dtype=dtype))  # type: ignore[arg-type]


VARIANTS: Final[dict[str, Callable[[Any], None]]] = {
    "bfloat16": bfloat16,
    "int8_tower": int8_tower,
    "int4_language_model": int4_language_model,
}
"""Each changes a model in place."""
CUT: Final = ("int8_tower", "int4_language_model")
"""Those that need bitsandbytes."""


def cutting() -> bool:
    """Whether bitsandbytes is there."""
    return find_spec("bitsandbytes") is not None


def in_fewer_bits(model: Any, name: str) -> None:
    """Change a model into a variant of itself, in place.

    Raises:
        ModelError: bitsandbytes is not installed, and this variant is made of its layers.
    """
    if name in CUT and not cutting():
        raise ModelError(
            f"The variant {name} is made by bitsandbytes, which is not installed. "
            "pip install 'haiga[gpu]', or leave it out of evaluate.variants."
        )
    VARIANTS[name](model)


def size(model: nn.Module) -> int:
    """Bytes of a model's weights as they lie in memory; tied ones count once."""
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


def _eight_bits(kinds: Any, layer: nn.Linear) -> nn.Module:
    made = kinds.Linear8bitLt(
        layer.in_features,
        layer.out_features,
        bias=layer.bias is not None,
        has_fp16_weights=False,
        threshold=6.0,  # of the paper: columns with larger inputs stay in 16 bits
        device="meta",
    )
    weight = layer.weight.data.contiguous()
    made.weight = kinds.Int8Params(weight, requires_grad=False, has_fp16_weights=False).to(device())
    if layer.bias is not None:
        made.bias = nn.Parameter(layer.bias.data.to(device()), requires_grad=False)
    return made
