"""A LLaVA from a vision tower and a language model, and from a folder that we or others wrote.

The projector is new; all other weights are those of the two sources, untouched. Nothing is resized:
the picture's place is a reserved token that the tokenizer already has (LLaVA, Liu et al. 2023,
arXiv:2304.08485; two-layer projector as in LLaVA-1.5, arXiv:2310.03744).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)
from transformers.utils import logging

from haiga.errors import ModelError
from haiga.models import attention, chat, families
from haiga.models import fit as fits
from haiga.models.weights import read_folder, readable

PROJECTOR = "multi_modal_projector"


@dataclass(frozen=True, slots=True)
class Vlm:
    """A vision-language model and what turns messages and pictures into its inputs."""

    model: Any
    """A LlavaForConditionalGeneration, or a PeftModel around one."""
    processor: LlavaProcessor
    origin: Path | None = None
    """The folder that holds what stands below the adapter, where it was read from one."""

    @property
    def tokenizer(self) -> Any:
        return self.processor.tokenizer

    @property
    def image_token_id(self) -> int:
        return int(self.model.config.image_token_index)

    @property
    def picture_tokens(self) -> int:
        """Positions that one picture takes in a sequence."""
        return int(self.model.config.image_seq_length)


def assemble(
    tower: str | Path,
    language_model: str | Path,
    *,
    image_token: str = "<|image_pad|>",
    fit: str = "pad",
    projector_seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Vlm:
    """Put a tower and a language model together, from local folders or hub names.

    The tower may be a dual encoder: its vision half is taken. Tower and language model get `dtype`;
    the new projector is in float32 whatever `dtype` is, and its random start depends on
    `projector_seed` alone.

    Raises:
        ModelError: a source that cannot be read, an unknown family, a language model without
            `image_token` as a single token.
    """
    tokenizer = load_tokenizer(language_model, image_token)
    tokenizer.chat_template = chat.with_pictures(tokenizer, image_token)
    lm = _whole(AutoModelForCausalLM, language_model, dtype=dtype)
    eyes, image_processor = _tower(tower, fit, dtype)
    image_token_id = tokenizer.convert_tokens_to_ids(image_token)
    if image_token_id >= lm.get_input_embeddings().num_embeddings:
        raise ModelError(
            f"The image token {image_token!r} has id {image_token_id}, and {language_model} has "
            f"{lm.get_input_embeddings().num_embeddings} embedding rows. Choose a token below it."
        )
    config = llava_config(eyes.config, lm.config, image_token_id)
    with torch.device("meta"):
        model = LlavaForConditionalGeneration(config)
    model.model.vision_tower = eyes
    model.model.language_model = lm.get_decoder()
    model.lm_head = lm.get_output_embeddings()
    model.model.multi_modal_projector = _new_projector(config, projector_seed)
    model.generation_config = lm.generation_config
    # The parts keep their own config objects otherwise, and a later change would reach only one.
    model.config.text_config, model.config.vision_config = lm.config, eyes.config
    family = families.family_of(eyes.config)
    processor = LlavaProcessor(
        image_processor,
        tokenizer,
        patch_size=eyes.config.patch_size,
        vision_feature_select_strategy=family.strategy,
        num_additional_image_tokens=family.extra_tokens,
        image_token=image_token,
        chat_template=tokenizer.chat_template,
    )
    return _ready(model, processor)


def load(folder: str | Path, dtype: torch.dtype | None = None) -> Vlm:
    """Read a checkpoint through the Auto classes; the projector comes in float32.

    `dtype` None keeps the dtype that the checkpoint states. For a stage's folder see `adapters`.

    Raises:
        ModelError: the folder is not a whole LLaVA checkpoint.
    """
    model = _whole(AutoModelForImageTextToText, folder, dtype=dtype or "auto")
    if not isinstance(model, LlavaForConditionalGeneration):
        raise ModelError(
            f"{folder} holds a {type(model).__name__}; haiga works with "
            "LlavaForConditionalGeneration checkpoints, as `haiga train` and `assemble` write."
        )
    processor = _processor(folder, model.config.image_token_index)
    model.model.multi_modal_projector.float()
    if Path(folder).is_dir() and model.dtype != torch.float32:
        # Rounded on the way in, where the file has more digits.
        kept = read_folder(Path(folder), lambda name: PROJECTOR in name)
        own = {name.split(f"{PROJECTOR}.")[1]: tensor.float() for name, tensor in kept.items()}
        model.model.multi_modal_projector.load_state_dict(own)
    return _ready(model, processor, Path(folder))


def load_tokenizer(source: str | Path, image_token: str) -> Any:
    """The tokenizer with `image_token` as its picture place, padding on the left.

    Raises:
        ModelError: `image_token` is not one reserved token of the tokenizer, or it has none to pad.
    """
    with readable(source):
        tokenizer = AutoTokenizer.from_pretrained(source)
    reserved = {str(token) for token in tokenizer.added_tokens_decoder.values()}
    ids = tokenizer.encode(image_token, add_special_tokens=False)
    # Otherwise LlavaProcessor takes the id of the first piece, and says nothing.
    if len(ids) != 1 or image_token not in reserved:
        near = [token for token in sorted(reserved) if "image" in token or "vision" in token]
        raise ModelError(
            f"{image_token!r} is not one reserved token of {source}'s tokenizer (it is read as "
            f"{len(ids)} tokens). Choose one that is: {', '.join(near or sorted(reserved))}."
        )
    tokenizer = AutoTokenizer.from_pretrained(source, image_token=image_token)
    if tokenizer.pad_token is None:
        raise ModelError(
            f"{source}'s tokenizer has no token to pad with. Give it one in its "
            "tokenizer_config.json (pad_token); the token that ends a text will do."
        )
    tokenizer.padding_side = "left"
    return tokenizer


def llava_config(eyes: Any, language: Any, image_token_id: int) -> LlavaConfig:
    """The LLaVA's config for a tower's (without pooling head) and a language model's config.

    Raises:
        ModelError: an unknown family of towers, or no causal language model.
    """
    family = families.family_of(eyes)
    if type(language) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ModelError(
            f"A model of model_type '{language.model_type}' is no causal language model. Choose an "
            "instruct model such as Qwen2.5."
        )
    return LlavaConfig(
        vision_config=eyes,
        text_config=language,
        image_token_index=image_token_id,
        image_seq_length=families.picture_tokens(eyes),
        vision_feature_layer=family.layer,
        vision_feature_select_strategy=family.strategy,
        projector_hidden_act="gelu",
        multimodal_projector_bias=True,
        tie_word_embeddings=language.tie_word_embeddings,
    )


def projector_in_own_dtype(projector: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A forward pre-hook: features come in the tower's dtype, the projector computes in its own.

    LlavaModel casts what comes out to the language model's dtype, so the rounding to bfloat16
    happens after the products.
    """
    return (inputs[0].to(next(projector.parameters()).dtype), *inputs[1:])


def _ready(
    model: LlavaForConditionalGeneration, processor: LlavaProcessor, origin: Path | None = None
) -> Vlm:
    projector = model.model.multi_modal_projector
    projector.register_forward_pre_hook(projector_in_own_dtype)
    stray = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if stray:
        raise ModelError(f"Weights are missing after assembly: {', '.join(stray[:5])}.")
    attention.use(model)
    model.eval()
    return Vlm(model, processor, origin)


def _tower(tower: str | Path, fit: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """The vision half and the processor that fits pictures to it."""
    with readable(tower):
        config = families.vision_config(AutoConfig.from_pretrained(tower))
        processor = fits.load_image_processor(tower)
    verbosity = logging.get_verbosity()
    # A dual encoder's text half and the pooling head are left out on purpose.
    logging.set_verbosity_error()
    try:
        eyes = _whole(AutoModel, tower, config=config, dtype=dtype)
    finally:
        logging.set_verbosity(verbosity)
    return eyes, fits.image_processor(processor, config.image_size, fit)


def _processor(folder: str | Path, image_token_id: int) -> LlavaProcessor:
    """A checkpoint's processor: its own template, Pillow's resizing, a checked picture place."""
    with readable(folder):
        processor = AutoProcessor.from_pretrained(folder)
        # `size` and all else come from the file; only the code that resizes is chosen here.
        processor.image_processor = fits.load_image_processor(folder)
    token = processor.image_token
    tokenizer = load_tokenizer(folder, token)
    tokenizer.chat_template = processor.chat_template or tokenizer.chat_template
    processor.tokenizer, processor.chat_template = tokenizer, tokenizer.chat_template
    if not processor.chat_template or not processor.patch_size:
        raise ModelError(
            f"{folder} is not whole: its processor has no chat template, or does not know the "
            "tower's patch size. Copy all its files, chat_template.jinja and processor_config.json "
            "among them."
        )
    if tokenizer.convert_tokens_to_ids(token) != image_token_id:
        raise ModelError(
            f"{folder} contradicts itself: its processor writes {token!r} (id "
            f"{tokenizer.convert_tokens_to_ids(token)}) for a picture, and its config.json "
            f"expects id {image_token_id}."
        )
    return processor


def _new_projector(config: LlavaConfig, seed: int) -> nn.Module:
    """Two linear layers in float32, uniform within 1/sqrt(inputs) as LLaVA's own start is.

    transformers would draw both from a normal of deviation 0.02, whatever the width.
    """
    from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

    projector = LlavaMultiModalProjector(config).float()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for linear in (projector.linear_1, projector.linear_2):
            bound = 1 / math.sqrt(linear.in_features)
            linear.weight.uniform_(-bound, bound, generator=generator)
            linear.bias.uniform_(-bound, bound, generator=generator)
    return projector


def _whole(auto: Any, source: str | Path, **options: Any) -> Any:
    """A model with every weight from the file: a missing one would be random, with a warning."""
    with readable(source):
        model, info = auto.from_pretrained(source, output_loading_info=True, **options)
    problems = [*info["missing_keys"], *(str(key) for key in info["mismatched_keys"])]
    if problems:
        raise ModelError(
            f"{source} lacks {len(problems)} weights that its config asks for, or has them in "
            f"another shape: {', '.join(sorted(problems)[:5])}."
        )
    return model
