"""A model that sees, from a vision tower and a language model, or from a folder that we or others
wrote.

What lies between the two is new; all other weights are those of the sources, untouched, and
nothing is resized. How they are joined is the design's business (`models.designs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.utils import logging

from haiga.errors import ModelError
from haiga.models import attention
from haiga.models import fit as fits
from haiga.models.designs import DESIGNS, Design, design_of, seeing
from haiga.models.designs.base import Parts
from haiga.models.embeddings import base_of
from haiga.models.tokenizer import load_tokenizer
from haiga.models.weights import readable, whole


@dataclass(frozen=True, slots=True)
class Vlm:
    """A vision-language model and what turns messages and pictures into its inputs."""

    model: Any
    """A LlavaForConditionalGeneration or a VisionEncoderDecoderModel, or a PeftModel around one."""
    processor: Any
    """A LlavaProcessor or a TrOCRProcessor."""
    origin: Path | None = None
    """The folder that holds what stands below the adapter, where it was read from one."""

    @property
    def design(self) -> Design:
        return seeing(base_of(self.model))

    @property
    def tower(self) -> Any:
        return self.design.tower(base_of(self.model))

    @property
    def tokenizer(self) -> Any:
        return self.processor.tokenizer

    @property
    def image_token_id(self) -> int | None:
        """The picture's place in a sequence; None where it has none."""
        return int(self.model.config.image_token_index) if self.design.placeholders else None

    @property
    def picture_tokens(self) -> int:
        """Positions that one picture takes in a sequence."""
        return int(self.model.config.image_seq_length) if self.design.placeholders else 0


def assemble(
    tower: str | Path,
    language_model: str | Path,
    *,
    design: str = "llava",
    image_token: str | None = "<|image_pad|>",
    fit: str = "pad",
    projector_seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Vlm:
    """Put a tower and a language model together, from local folders or hub names.

    The tower may be a dual encoder: its vision half is taken. Tower and language model get `dtype`;
    a new projector is in float32 whatever `dtype` is. The random start of what is new depends on
    `projector_seed` alone. A design without placeholders reads no `image_token`.

    Raises:
        ModelError: a source that cannot be read, models that do not fit together by this design, a
            language model without `image_token` as a single token.
    """
    how = DESIGNS[design]
    token = image_token if how.placeholders else None
    tokenizer = load_tokenizer(language_model, token)
    tokenizer.chat_template = how.template(tokenizer, token)
    lm = whole(AutoModelForCausalLM, language_model, dtype=dtype)
    eyes, image_processor = _tower(how, tower, fit, dtype)
    parts = Parts(eyes, lm, tokenizer, image_processor, token, projector_seed)
    return _ready(*how.join(parts))


def load(folder: str | Path, dtype: torch.dtype | None = None) -> Vlm:
    """Read a checkpoint through the Auto classes; a projector comes in float32.

    `dtype` None keeps the dtype that the checkpoint states. For a stage's folder see `adapters`.

    Raises:
        ModelError: the folder is not a whole checkpoint of a design that we know.
    """
    model = whole(AutoModelForImageTextToText, folder, dtype=dtype or "auto")
    design = design_of(model)
    if design is None or not isinstance(model, design.kind):
        raise ModelError(
            f"{folder} holds a {type(model).__name__}; haiga works with checkpoints of the classes "
            f"{', '.join(each.kind.__name__ for each in DESIGNS.values())}, as `haiga train` and "
            "`assemble` write."
        )
    return _ready(model, design.opened(model, folder), Path(folder))


def _ready(model: Any, processor: Any, origin: Path | None = None) -> Vlm:
    stray = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if stray:
        raise ModelError(f"Weights are missing after assembly: {', '.join(stray[:5])}.")
    attention.use(model)
    model.eval()
    return Vlm(model, processor, origin)


def _tower(design: Design, tower: str | Path, fit: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """The vision half and the processor that fits pictures to it."""
    with readable(tower):
        config = design.half(AutoConfig.from_pretrained(tower))
        processor = fits.load_image_processor(tower)
    verbosity = logging.get_verbosity()
    # A dual encoder's text half and the pooling head are left out on purpose.
    logging.set_verbosity_error()
    try:
        eyes = whole(AutoModel, tower, design.unread, config=config, dtype=dtype)
    finally:
        logging.set_verbosity(verbosity)
    return eyes, fits.image_processor(processor, config.image_size, fit)
