"""Tiny random checkpoints in Hugging Face format, for tests: no network, a few milliseconds each.

The shapes are those of the real thing in small: a SigLIP or CLIP tower of 32 x 32 pixels with
8-pixel patches (16 patches), and a Qwen2 language model with a byte-level tokenizer whose reserved
tokens stand where Qwen2.5 has them, after the ordinary ones and below the padded vocabulary.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModel,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Tokenizer,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
    SiglipVisionModel,
    ViTConfig,
    ViTImageProcessorPil,
    ViTModel,
)

PATCHES = 16
"""Picture tokens of one picture."""
VISION_WIDTH = 32
TEXT_WIDTH = 64
VOCABULARY = 320
"""Rows of the embedding: more than the tokenizer has, as in Qwen2.5."""

SPECIAL_TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|image_pad|>",
]

CHATML = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
"""For contents that are strings, as a language model without eyes has it."""

_SHAPE = {
    "hidden_size": VISION_WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}


def tiny_tower(folder: Path, family: str = "siglip", seed: int = 0) -> Path:
    """Save a random vision tower of `family` (siglip, clip or vit) with its image processor."""
    torch.manual_seed(seed)
    if family == "siglip":
        model = SiglipVisionModel(SiglipVisionConfig(**_SHAPE))
        processor = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    elif family == "clip":
        model = CLIPVisionModel(CLIPVisionConfig(**_SHAPE))
        processor = CLIPImageProcessorPil(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        )
    elif family == "vit":
        model = ViTModel(ViTConfig(**_SHAPE))
        processor = ViTImageProcessorPil(size={"height": 32, "width": 32})
    else:
        raise ValueError(f"no tiny tower of family {family!r}")
    _spread(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def tiny_tokenizer() -> Qwen2Tokenizer:
    """256 bytes, three merges ("th", "the", " the"), then the reserved tokens from id 259 on."""
    merges = ["t h", "th e", "Ġ the"]
    words = [*sorted(ByteLevel.alphabet()), "th", "the", "Ġthe"]
    tokenizer = Qwen2Tokenizer(
        vocab={word: index for index, word in enumerate(words)},
        merges=[tuple(merge.split(" ")) for merge in merges],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=SPECIAL_TOKENS,
    )
    tokenizer.chat_template = CHATML
    return tokenizer


def tiny_language_model(folder: Path, seed: int = 1, tied: bool = True) -> Path:
    """Save a random Qwen2 (width 64, 2 layers, 4 heads, 2 key heads) with `tiny_tokenizer`."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=TEXT_WIDTH,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        tie_word_embeddings=tied,
        bos_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
        pad_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"),
    )
    model = Qwen2ForCausalLM(config)
    _spread(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_gpt2(folder: Path, width: int = TEXT_WIDTH, chat: bool = True) -> Path:
    """Save a random GPT-2 (2 layers, 4 heads, dropout as in GPT-2) with `tiny_tokenizer`.

    Without `chat` its tokenizer is as GPT-2's: one token begins and ends a text, none pads.
    """
    torch.manual_seed(3)
    tokenizer = tiny_tokenizer()
    if not chat:
        vocabulary = tokenizer.get_vocab()
        words = {word: at for word, at in vocabulary.items() if not word.startswith("<|")}
        tokenizer = GPT2Tokenizer(vocab=words | {"<|endoftext|>": len(words)}, merges=[])
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY,
            n_embd=width,
            n_layer=2,
            n_head=4,
            bos_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"),
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    _spread(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _spread(model: torch.nn.Module) -> None:
    """Make the random weights large enough that every input matters to the output."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.1)
