"""LLaVA: the projected features of a picture stand in its places among the words.

The places are a reserved token that the tokenizer already has, so nothing is resized (Liu et al.
2023, arXiv:2304.08485; two-layer projector as in LLaVA-1.5, arXiv:2310.03744).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from haiga.errors import ModelError, PlaceholderError
from haiga.models import chat, families
from haiga.models import fit as fits
from haiga.models.designs.base import Design, Features, Parts, Rows, check_features
from haiga.models.tokenizer import load_tokenizer
from haiga.models.weights import read_folder, readable

PROJECTOR: Final = "multi_modal_projector"


def mine(base: Any) -> bool:
    """Whether it has a projector between a tower and a language model."""
    return hasattr(base, "model") and hasattr(base.model, PROJECTOR)


def config_of(eyes: Any, language: Any, image_token_id: int) -> LlavaConfig:
    """The config for a tower's (without pooling head) and a language model's config.

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


def join(parts: Parts) -> tuple[Any, LlavaProcessor]:
    """A LLaVA with a new projector, in float32 whatever the parts are in.

    Raises:
        ModelError: a language model without the picture's place as a single token.
    """
    eyes, lm, tokenizer = parts.eyes, parts.language, parts.tokenizer
    image_token_id = tokenizer.convert_tokens_to_ids(parts.image_token)
    if image_token_id >= lm.get_input_embeddings().num_embeddings:
        raise ModelError(
            f"The image token {parts.image_token!r} has id {image_token_id}, and the language "
            f"model has {lm.get_input_embeddings().num_embeddings} embedding rows. Choose a token "
            "below it."
        )
    config = config_of(eyes.config, lm.config, image_token_id)
    with torch.device("meta"):
        model = LlavaForConditionalGeneration(config)
    model.model.vision_tower = eyes
    model.model.language_model = lm.get_decoder()
    model.lm_head = lm.get_output_embeddings()
    model.model.multi_modal_projector = _new_projector(config, parts.seed)
    model.generation_config = lm.generation_config
    # The parts keep their own config objects otherwise, and a later change would reach only one.
    model.config.text_config, model.config.vision_config = lm.config, eyes.config
    family = families.family_of(eyes.config)
    processor = LlavaProcessor(
        parts.image_processor,
        tokenizer,
        patch_size=eyes.config.patch_size,
        vision_feature_select_strategy=family.strategy,
        num_additional_image_tokens=family.extra_tokens,
        image_token=parts.image_token,
        chat_template=tokenizer.chat_template,
    )
    _ready(model)
    return model, processor


def opened(model: Any, folder: str | Path) -> LlavaProcessor:
    """A checkpoint's processor; the projector of its model goes to float32.

    Raises:
        ModelError: the folder is not whole, or contradicts itself.
    """
    processor = _processor(folder, model.config.image_token_index)
    model.model.multi_modal_projector.float()
    if Path(folder).is_dir() and model.dtype != torch.float32:
        # Rounded on the way in, where the file has more digits.
        kept = read_folder(Path(folder), lambda name: PROJECTOR in name)
        own = {name.split(f"{PROJECTOR}.")[1]: tensor.float() for name, tensor in kept.items()}
        model.model.multi_modal_projector.load_state_dict(own)
    _ready(model)
    return processor


def projector_in_own_dtype(projector: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A forward pre-hook: features come in the tower's dtype, the projector computes in its own.

    LlavaModel casts what comes out to the language model's dtype, so the rounding to bfloat16
    happens after the products.
    """
    return (inputs[0].to(next(projector.parameters()).dtype), *inputs[1:])


def see(base: Any, pixel_values: Float[Tensor, "P C H W"]) -> Features:
    """The tower's features that the projector takes: the layer and positions of the model's config.

    The same choice as `LlavaModel.get_image_features` makes, without the projection.
    """
    tower, config = base.model.vision_tower, base.config
    pixels = pixel_values.to(tower.device, tower.dtype)
    states = tower(pixels, output_hidden_states=True, return_dict=True).hidden_states
    layers = config.vision_feature_layer
    chosen = [states[layer] for layer in ([layers] if isinstance(layers, int) else layers)]
    if config.vision_feature_select_strategy == "default":
        chosen = [state[:, 1:] for state in chosen]
    return torch.cat(chosen, dim=-1)


def sees(config: Any) -> Mapping[str, Any]:
    """The tower, and which of its layers and positions are read."""
    return {
        "tower": config.vision_config,
        "layer": config.vision_feature_layer,
        "strategy": config.vision_feature_select_strategy,
    }


def enter(base: Any, rows: Rows, features: Features | None) -> dict[str, Tensor]:
    """Token embeddings with the projected pictures in their places.

    Raises:
        PlaceholderError: a row's places and its features do not match.
    """
    embeds = base.get_input_embeddings()(rows.input_ids)
    image_id = int(base.config.image_token_id)
    _check_places(rows, features, image_id)
    if features is None or not features.shape[0]:
        return {"inputs_embeds": embeds}
    projector = base.model.multi_modal_projector
    # Cast after the projection: a projector in fp32 stays in fp32.
    projected = projector(features.to(embeds.device, _dtype(projector))).to(embeds.dtype)
    places = rows.input_ids.flatten().eq(image_id).nonzero()[:, 0]
    flat = embeds.reshape(-1, embeds.shape[-1])
    return {"inputs_embeds": flat.index_copy(0, places, projected.flatten(0, 1)).view_as(embeds)}


def plain(
    model: Any, row: Rows, features: Features | None, pixel_values: Tensor | None
) -> Float[Tensor, "1 L V"]:
    """Logits of one row by the model's own forward: from ids and pixels, or embedded."""
    given: dict[str, Any] = {"input_ids": row.input_ids}
    if pixel_values is not None:
        given["pixel_values"] = pixel_values
    elif features is not None:
        given = enter(getattr(model, "get_base_model", lambda: model)(), row, features)
    with _own_dtype(model):
        return model(**given, use_cache=False).logits


def asked(processor: Any, text: str, picture: Any) -> dict[str, Tensor]:
    """What the forward takes of a text with one picture place, and its picture."""
    given = {"add_special_tokens": False, "return_tensors": "pt"}  # the template has written them
    return dict(processor(text=[text], images=[picture], **given))


def _check_places(rows: Rows, features: Features | None, image_id: int) -> None:
    """A row's picture places against its own features, never the totals of the batch."""
    check_features(rows, features)
    size = 0 if features is None else features.shape[1]
    places = (rows.input_ids == image_id).sum(1).tolist()
    for id, names, found in zip(rows.ids, rows.picture_ids, places, strict=True):
        if found != len(names) * size:
            raise PlaceholderError(
                f"Row {id}: {found} picture places for {len(names)} pictures of {size} features. "
                "Render it again with the number of features that this tower gives."
            )


@contextmanager
def _own_dtype(model: Any) -> Iterator[None]:
    """Lets the model's own forward feed a projector of another dtype than its tower."""
    projector = getattr(model, "get_base_model", lambda: model)().model.multi_modal_projector
    dtype = _dtype(projector)
    hook = projector.register_forward_pre_hook(lambda _, given: (given[0].to(dtype),))
    try:
        yield
    finally:
        hook.remove()


def _dtype(projector: nn.Module) -> torch.dtype:
    """Of the copy that learns: PEFT keeps the original beside it."""
    weights = list(projector.parameters())
    return next((weight for weight in weights if weight.requires_grad), weights[0]).dtype


def _ready(model: Any) -> None:
    model.model.multi_modal_projector.register_forward_pre_hook(projector_in_own_dtype)


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


LLAVA: Final = Design(
    joint="projector",
    bridge=rf".*\b{PROJECTOR}\..*",
    # The language model only: short names would reach into the tower, whose layers share them.
    targets=r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)",
    task_type="CAUSAL_LM",
    placeholders=True,
    mine=mine,
    tower=lambda base: base.model.vision_tower,
    body=lambda base: base.model.language_model,
    see=see,
    sees=sees,
    enter=enter,
    plain=plain,
    half=families.vision_config,
    unread="",
    positions=families.picture_tokens,
    config=config_of,
    kind=LlavaForConditionalGeneration,
    template=lambda tokenizer, image_token: chat.with_pictures(tokenizer, image_token or ""),
    join=join,
    opened=opened,
    asked=asked,
    hub_names=(
        (r"^model\.vision_tower\.(?!vision_model\.)", "vision_tower.vision_model."),
        (r"^model\.multi_modal_projector\.", "multi_modal_projector."),
        (r"^model\.language_model\.", "language_model.model."),
        (r"^lm_head\.", "language_model.lm_head."),
    ),
)
