"""Models as answerers: a trained one, the raw language model, and the random projector.

A model is moved to the accelerator, where there is one, when it is asked.

The random projector is the control of the haiku study: the adapter is off and the projector (or
the cross-attention that stands in its place) is drawn anew, each of its tensors at the norm that
training gave it. The model then gets as much signal as before, and none of it means anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from haiga.errors import ModelError
from haiga.evaluation.conditions import Item
from haiga.evaluation.seen import features_of
from haiga.models.assemble import Vlm
from haiga.models.device import device
from haiga.models.embeddings import base_of
from haiga.models.generate import generate_text, respond


def answerer(
    load: Callable[[], Vlm],
    pictures: Mapping[str, bytes],
    features: Path | None = None,
    **decoding: Any,
) -> Callable[[list[Item]], list[str]]:
    """An answerer that loads its model when it is first asked, and each time it is asked.

    Give a `load` that remembers (`functools.lru_cache`), as much as memory allows.

    Args:
        load: returns the model.
        pictures: the bytes of each picture that an item may show.
        features: the folder where what towers see is kept, a run's own; None keeps nothing.
        decoding: for `models.generate.respond`: `max_new_tokens`, `temperature`, `seed`, `batch`.
    """

    def answer(items: list[Item]) -> list[str]:
        vlm = load()
        vlm.model.to(device())

        def see(rows: Sequence[int]) -> Float[Tensor, "P T D"]:
            return features_of(vlm, [items[row] for row in rows], pictures, features)

        return respond(vlm, [item.prompt for item in items], see, **decoding)

    return answer


def text_answerer(folder: Path, **decoding: Any) -> Callable[[list[Item]], list[str]]:
    """An answerer by a language model alone, in float32; the items must show no pictures."""

    @cache
    def load() -> tuple[Any, Any]:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        return model.to(device()), AutoTokenizer.from_pretrained(folder)

    def answer(items: list[Item]) -> list[str]:
        return generate_text(*load(), [item.prompt for item in items], **decoding)

    return answer


def projector_norms(vlm: Vlm) -> dict[str, float]:
    """The Euclidean norm of each of the projector's tensors, by its name in the model."""
    return {name: float(tensor.detach().float().norm()) for name, tensor in _bridge(vlm).items()}


def random_projector(vlm: Vlm, norms: Mapping[str, float], *, seed: int = 0) -> Vlm:
    """`vlm`, its projector drawn anew in place: normal, each tensor at its norm in `norms`.

    Args:
        vlm: the model without the adapter.
        norms: `projector_norms` of the trained model.
        seed: of the drawing, which is the same on every device.

    Raises:
        ModelError: the two projectors differ in their tensors.
    """
    own = _bridge(vlm)
    if set(own) != set(norms):
        odd = ", ".join(sorted(set(own) ^ set(norms)))
        raise ModelError(f"The projectors do not fit: only one of them has {odd}.")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in sorted(own.items()):
            drawn = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(drawn * (norms[name] / drawn.norm()))
    return vlm


def _bridge(vlm: Vlm) -> dict[str, torch.Tensor]:
    """The parameters between tower and language model by name, below an adapter too."""
    found = {
        name.replace(".base_layer.", "."): parameter
        for name, parameter in base_of(vlm.model).named_parameters()
        if ".lora_" not in name
    }
    return {name: each for name, each in found.items() if re.fullmatch(vlm.design.bridge, name)}
