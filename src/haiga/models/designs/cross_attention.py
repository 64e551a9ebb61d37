"""Cross-attention: every layer of the decoder looks at the tower's states; the words hold no place.

A `VisionEncoderDecoderModel` of a vision tower and GPT-2 (Rothe et al. 2020, arXiv:1907.12461, for
two language models; Li et al. 2021, arXiv:2109.10282, with a vision transformer). The layers that
look are new: GPT-2 has none. What they look at is the tower's last state with all its positions, as
the model's own forward has it; the states of several pictures stand one after another.

Labels are never handed to the model: its forward would shift them by itself. The sequence begins
with the token that `decoder_start_token_id` names, so that `generate` puts none before it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import (
    MODEL_MAPPING,
    GPT2LMHeadModel,
    TrOCRProcessor,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
)
from transformers.modeling_outputs import BaseModelOutput

from haiga.errors import ModelError
from haiga.models import chat
from haiga.models import fit as fits
from haiga.models.designs.base import Design, Features, Parts, Rows, check_features
from haiga.models.tokenizer import load_tokenizer

BRIDGE: Final = r".*\b(enc_to_dec_proj|crossattention|ln_cross_attn)\..*"
DROPOUTS: Final = ("resid_pdrop", "embd_pdrop", "attn_pdrop")


def mine(base: Any) -> bool:
    """Whether it has an encoder beside its decoder."""
    return hasattr(base, "encoder") and hasattr(base, "decoder")


def half(config: Any) -> Any:
    """The vision half of a tower's config; SigLIP's without the pooling head, which has no reader.

    Raises:
        ModelError: no vision tower.
    """
    found = getattr(config, "vision_config", config)
    if type(found) not in MODEL_MAPPING or not hasattr(found, "image_size"):
        raise ModelError(
            f"A model of model_type '{config.model_type}' is no vision tower whose states a "
            "decoder can look at. Choose a ViT, or a SigLIP or CLIP, whose vision half is taken."
        )
    found = type(found).from_dict(found.to_dict())
    if hasattr(found, "vision_use_head"):
        found.vision_use_head = False
    return found


def config_of(eyes: Any, language: Any, _: int = 0) -> Any:
    """The config for a tower's and a GPT-2's config; nothing is dropped out.

    GPT-2's own dropout of 0.1 would make a policy's log-probs another thing when it learns than
    when it was sampled, and no language model since has any.

    Raises:
        ModelError: the language model is no GPT-2.
    """
    if language.model_type != "gpt2":
        raise ModelError(
            f"A model of model_type '{language.model_type}' is no GPT-2. The design "
            "cross_attention needs a decoder whose layers can be given cross-attention; choose a "
            "GPT-2, or the design llava."
        )
    decoder = copy.deepcopy(language)
    for name in DROPOUTS:
        setattr(decoder, name, 0.0)
    decoder.is_decoder = decoder.add_cross_attention = True
    return VisionEncoderDecoderConfig(encoder=eyes.to_dict(), decoder=decoder.to_dict())


def join(parts: Parts) -> tuple[Any, TrOCRProcessor]:
    """A GPT-2 with new cross-attention to a tower.

    The new layers start as GPT-2's own do, at the deviation that its config names; the linear map
    between two widths within 1/sqrt(inputs).

    Raises:
        ModelError: the language model is no GPT-2, or its template begins with no fixed token.
    """
    eyes, lm = parts.eyes, parts.language
    config = config_of(eyes.config, lm.config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(parts.seed)
        decoder = GPT2LMHeadModel(config.decoder)
        model = VisionEncoderDecoderModel(config, encoder=eyes, decoder=decoder)
        if hasattr(model, "enc_to_dec_proj"):
            bound = 1 / math.sqrt(config.encoder.hidden_size)
            nn.init.uniform_(model.enc_to_dec_proj.weight, -bound, bound)
    own = dict(decoder.named_parameters())
    with torch.no_grad():
        for name, weight in lm.named_parameters():
            own[name].copy_(weight)
    model.to(eyes.dtype)
    model.generation_config = lm.generation_config
    start = _first(parts.tokenizer)
    for each in (model.config, model.generation_config):
        each.decoder_start_token_id = start
        each.pad_token_id = parts.tokenizer.pad_token_id
        each.eos_token_id = parts.tokenizer.eos_token_id
    processor = TrOCRProcessor(parts.image_processor, parts.tokenizer)
    processor.chat_template = parts.tokenizer.chat_template
    return model, processor


def opened(model: Any, folder: str | Path) -> TrOCRProcessor:
    """A checkpoint's processor.

    Raises:
        ModelError: there is no chat template, or it begins otherwise than the model's config says.
    """
    tokenizer = load_tokenizer(folder)
    if not tokenizer.chat_template:
        raise ModelError(
            f"{folder} is not whole: its tokenizer has no chat template. Copy all its files, "
            "chat_template.jinja among them."
        )
    if _first(tokenizer) != model.config.decoder_start_token_id:
        raise ModelError(
            f"{folder} contradicts itself: its chat template begins with the token "
            f"{_first(tokenizer)}, and its config.json starts a decoder with "
            f"{model.config.decoder_start_token_id}."
        )
    processor = TrOCRProcessor(fits.load_image_processor(folder), tokenizer)
    processor.chat_template = tokenizer.chat_template
    return processor


def see(base: Any, pixel_values: Float[Tensor, "P C H W"]) -> Features:
    """The tower's last state, as `VisionEncoderDecoderModel.forward` takes it."""
    tower = base.encoder
    return tower(pixel_values=pixel_values.to(tower.device, tower.dtype)).last_hidden_state


def sees(config: Any) -> Mapping[str, Any]:
    """The tower; the state that is read is always the last."""
    return {"tower": config.encoder, "layer": "last_hidden_state"}


def enter(base: Any, rows: Rows, features: Features | None) -> dict[str, Tensor]:
    """Token embeddings, and the states of each row's pictures, one after another.

    Rows with pictures and rows without do not mix: where nothing may be looked at, the layers that
    look must be passed by, as the decoder alone does.

    Raises:
        PlaceholderError: the pictures of the rows and the features do not match.
    """
    embeds = base.get_input_embeddings()(rows.input_ids)
    check_features(rows, features)
    counts = [len(names) for names in rows.picture_ids]
    if features is None or not any(counts):
        return {"inputs_embeds": embeds}
    states = _projected(base, features.to(embeds.device)).to(embeds.dtype)
    most, size = max(counts), states.shape[1]
    firsts = [sum(counts[:at]) for at in range(len(counts))]
    # A row with fewer pictures looks at its first again, behind the mask.
    which = [
        [first + (k if k < count else 0) for k in range(most)]
        for first, count in zip(firsts, counts, strict=True)
    ]
    chosen = states[torch.tensor(which, device=states.device)].flatten(1, 2)
    entered = {"inputs_embeds": embeds, "encoder_hidden_states": chosen}
    if min(counts) < most:
        shown = [[k < count for k in range(most)] for count in counts]
        mask = torch.tensor(shown, device=states.device).repeat_interleave(size, 1)
        entered["encoder_attention_mask"] = mask.long()
    return entered


def plain(
    model: Any, row: Rows, features: Features | None, pixel_values: Tensor | None
) -> Float[Tensor, "1 L V"]:
    """Logits of one row by the model's own forward; by its decoder alone where no picture is."""
    base = getattr(model, "get_base_model", lambda: model)()
    count = len(row.picture_ids[0])
    if not count:
        return base.decoder(input_ids=row.input_ids, use_cache=False).logits
    given: dict[str, Any] = {"decoder_input_ids": row.input_ids, "use_cache": False}
    if pixel_values is not None and count == 1:
        given["pixel_values"] = pixel_values
    else:  # several pictures are one sequence of states, for which the forward has no pixels
        states: Any = features if pixel_values is None else see(base, pixel_values)
        given["encoder_outputs"] = BaseModelOutput(last_hidden_state=states.flatten(0, 1)[None])
    return base(**given).logits


def asked(processor: Any, text: str, picture: Any) -> dict[str, Tensor]:
    """What the forward takes of a text and its picture."""
    pixel_values = processor.image_processor(images=[picture], return_tensors="pt")["pixel_values"]
    ids = processor.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    return {"pixel_values": pixel_values, "decoder_input_ids": ids}


def _projected(base: Any, features: Features) -> Features:
    """The states in the decoder's width."""
    if not hasattr(base, "enc_to_dec_proj"):
        return features
    return base.enc_to_dec_proj(features.to(base.enc_to_dec_proj.weight.dtype))


def _first(tokenizer: Any) -> int:
    """The token that every conversation begins with.

    Raises:
        ModelError: there is no such token.
    """
    openings = set()
    for role in ("user", "system"):
        row = [{"role": role, "content": [{"type": "text", "text": "a"}]}]
        text = tokenizer.apply_chat_template(row, tokenize=False)
        openings.add(tokenizer(text, add_special_tokens=False).input_ids[0])
    if len(openings) > 1 or openings.isdisjoint(tokenizer.all_special_ids):
        raise ModelError(
            "The chat template does not begin with one token of its own, from which a decoder "
            "could start. Give the tokenizer a template that begins with its bos_token."
        )
    return int(openings.pop())


CROSS_ATTENTION: Final = Design(
    joint="cross-attention",
    bridge=BRIDGE,
    # GPT-2's own products, which are Conv1D; the layers that look are the bridge, and learn whole.
    targets=r"decoder\.transformer\.h\.\d+\.(attn\.(c_attn|c_proj)|mlp\.(c_fc|c_proj))",
    task_type=None,
    placeholders=False,
    mine=mine,
    tower=lambda base: base.encoder,
    body=lambda base: base.decoder.transformer,
    see=see,
    sees=sees,
    enter=enter,
    plain=plain,
    half=half,
    unread=r"pooler\..*",  # a ViT's; one that was trained to tell classes apart comes without
    positions=lambda eyes: 0,
    config=config_of,
    kind=VisionEncoderDecoderModel,
    template=lambda tokenizer, image_token: chat.without_places(tokenizer),
    join=join,
    opened=opened,
    asked=asked,
)
