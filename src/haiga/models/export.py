"""A standard checkpoint for others: written, read back as a stranger would, and compared."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from peft import PeftModel
from PIL import Image
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, AutoProcessor

from haiga.errors import ModelError, StoreError
from haiga.models import adapters
from haiga.models.assemble import Vlm
from haiga.models.checkpoint import save_checkpoint
from haiga.models.designs.llava import LLAVA
from haiga.models.generate import generate, greedy
from haiga.records import IMAGE, message_to_dict, user

TOLERANCE: Final = {torch.float32: 1e-4, torch.bfloat16: 0.02, torch.float16: 0.005}
"""Largest difference of logits after reading back, relative to the largest logit."""


def export(vlm: Vlm, folder: Path, *, max_new_tokens: int = 64) -> None:
    """Write the model, its adapter merged, and check that strangers read the same model.

    Its generation_config.json has strangers write as we do, the likeliest token each time and at
    most `max_new_tokens` of them; the language model's own may ask for penalties and chance.

    The folder is loaded through AutoModelForImageTextToText and AutoProcessor; its weights must be
    ours to the bit, its processor must give the same inputs for a test picture, its logits must
    agree, and each token that we would write must be its likeliest (within the tolerance). The
    given model stays as it is.

    Raises:
        StoreError: the folder is not empty.
        ModelError: what was read back is not the model that was written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder} is not an empty folder. Name another, or empty it first.")
    if isinstance(vlm.model, PeftModel):
        vlm = adapters.merge(Vlm(copy.deepcopy(vlm.model), vlm.processor))
    save_checkpoint(vlm, folder)
    greedy(vlm, max_new_tokens).save_pretrained(folder)
    compare(vlm, folder)


def compare(vlm: Vlm, folder: Path) -> None:
    """Read a checkpoint as a stranger would and hold it against `vlm`; see `export`."""
    dtype = vlm.model.dtype
    stranger = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype)
    stranger = stranger.to(vlm.model.device).eval()
    processor = AutoProcessor.from_pretrained(folder, backend="pil")
    with _projector_in(vlm.model, dtype):
        apart, lost, largest = _differences(vlm, stranger, processor, folder)
    slack = TOLERANCE[dtype] * largest
    # Where two tokens tie within the tolerance, rounding may choose either.
    if apart > slack or lost > slack:
        raise ModelError(
            f"The checkpoint in {folder} does not answer as the model that was exported: logits "
            f"differ by up to {apart:.3g}, where {slack:.3g} is allowed. Do not publish it."
        )


def _differences(
    vlm: Vlm, stranger: nn.Module, processor: Any, folder: Path
) -> tuple[float, float, float]:
    """Largest |difference| of logits on a test picture and our own answer to it; how far our
    likeliest token is from theirs; our largest |logit|."""
    picture, question = _test_picture(), user(IMAGE, "What is in this picture?")
    answer = generate(vlm, [(question,)], [[picture]], max_new_tokens=16)[0]
    text = processor.tokenizer.apply_chat_template(
        [message_to_dict(question)], tokenize=False, add_generation_prompt=True
    )
    ours = vlm.design.asked(vlm.processor, text + answer, picture)
    theirs = vlm.design.asked(processor, text + answer, picture)
    for name in ours:
        if not torch.equal(ours[name], theirs[name]):
            raise ModelError(f"The processor in {folder} gives other {name} than the model's own.")
    with torch.no_grad():
        a, b = (_logits(vlm.model, ours), _logits(stranger, theirs))
    lost = b.max(-1).values - b.gather(1, a.argmax(-1, keepdim=True))[:, 0]
    return float((a - b).abs().max()), float(lost.max()), float(a.abs().max())


def _logits(model: Any, given: Mapping[str, Tensor]) -> Float[Tensor, "L V"]:
    return model(**{name: each.to(model.device) for name, each in given.items()}).logits[0].float()


@contextmanager
def _projector_in(model: Any, dtype: torch.dtype) -> Iterator[None]:
    """Strangers load every weight in one dtype; ours keeps a projector in float32 otherwise."""
    if model.dtype == torch.float32 or not LLAVA.mine(model):
        yield
        return
    own = model.model.multi_modal_projector
    model.model.multi_modal_projector = copy.deepcopy(own).to(dtype)
    try:
        yield
    finally:
        model.model.multi_modal_projector = own


def _test_picture() -> Image.Image:
    """Colour slopes, wider than high, so that a wrong fit or normalisation shows."""
    y, x = np.mgrid[0:200, 0:300]
    rgb = np.stack([x * 255 // 299, y * 255 // 199, (x + y) % 256], axis=-1)
    return Image.fromarray(rgb.astype(np.uint8))
