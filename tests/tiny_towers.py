"""Random dual encoders in Hugging Face format, for tests."""

from __future__ import annotations

import torch
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

import tiny

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
VISION = SIZES | {"image_size": 32, "patch_size": 8}


def tiny_towers(folder, family, seed=0):
    """A random dual encoder that reads 12 tokens, with the tokenizer of the tiny language model."""
    torch.manual_seed(seed)
    tokenizer = tiny.tiny_tokenizer()
    ids = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(token)
        for name, token in [
            ("bos", "<|im_start|>"),
            ("eos", "<|im_end|>"),
            ("pad", "<|endoftext|>"),
        ]
    }
    words = SIZES | {"vocab_size": tiny.VOCABULARY, "max_position_embeddings": 12} | ids
    if family == "siglip":
        model = SiglipModel(
            SiglipConfig(text_config=words | {"projection_size": 32}, vision_config=VISION)
        )
        processor = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    else:
        model = CLIPModel(CLIPConfig(text_config=words, vision_config=VISION, projection_dim=16))
        processor = CLIPImageProcessorPil(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        )
        # CLIP reads a text at its end token, which its tokenizer writes.
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="$A <|im_end|>", special_tokens=[("<|im_end|>", ids["eos_token_id"])]
        )
    for part in (model, processor, tokenizer):
        part.save_pretrained(folder)
    return folder
