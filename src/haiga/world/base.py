"""The world's two base models before they have learned anything, and their tokenizer.

A SigLIP dual encoder and a Qwen2 causal language model of about two million parameters each, in
Hugging Face form. `recipes/world-base.toml` trains them; `weights/` holds the result.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlavaImageProcessorPil,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
    SiglipConfig,
    SiglipModel,
)

WEIGHTS = Path(__file__).parent / "weights"
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>")
IMAGE_SIZE, PATCH = 128, 16
CAPTION_TOKENS = 32
BATCH = 256
"""Of the recipe that trains the tower."""

# ChatML as Qwen2.5 has it, with content either a string or a list of parts, and the marks that
# tell which tokens the assistant wrote.
CHAT_TEMPLATE = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.role == 'assistant' %}
{%- generation %}
{%- if message.content is string %}{{- message.content }}
{%- else %}{% for part in message.content %}{{- part.text }}{% endfor %}{% endif %}
{{- '<|im_end|>' }}
{%- endgeneration %}
{{- '\\n' }}
{%- else %}
{%- if message.content is string %}{{- message.content }}
{%- else %}
{%- for part in message.content %}
{%- if part.type == 'image' %}{{- '<|image_pad|>' }}{% else %}{{- part.text }}{% endif %}
{%- endfor %}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}"""


def create(folder: Path, texts: Iterable[str], *, seed: int) -> None:
    """Write `folder/tower` and `folder/language`: fresh weights, a tokenizer made of `texts`."""
    tokenizer = make_tokenizer(texts)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tower = SiglipModel(tower_config(len(tokenizer)))
        language = Qwen2ForCausalLM(language_config(len(tokenizer)))
    with torch.no_grad():
        # As in Zhai et al. (2023), section 3.2, where -10 is the log-odds of a batch of 32,000: the
        # bias starts at those of ours, or the first thing to be learned is that all is alike.
        tower.logit_scale.fill_(math.log(10.0))
        tower.logit_bias.fill_(-math.log(BATCH))
        # At the usual scale, position and padding drown the words: the cosine between two titles is
        # 0.98 at the start, and pictures find nothing to hold on to.
        tower.text_model.embeddings.token_embedding.weight.mul_(12.0)
    tower.save_pretrained(folder / "tower")
    language.save_pretrained(folder / "language")
    # Padded to a square, as a LLaVA will show pictures to it: a pillar print keeps its shape.
    processor = LlavaImageProcessorPil(
        do_pad=True,
        size={"shortest_edge": IMAGE_SIZE},
        crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        do_center_crop=True,
        resample=Image.Resampling.BICUBIC,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    processor.save_pretrained(folder / "tower")
    tokenizer.save_pretrained(folder / "language")
    # SigLIP reads a caption at its last position. With padding there, all captions are alike at the
    # start (cosine 0.999 between titles), and nothing is learned for hundreds of steps.
    make_left = json.loads((folder / "language" / "tokenizer_config.json").read_text("utf-8"))
    tokenizer.save_pretrained(folder / "tower")
    left = json.dumps(make_left | {"padding_side": "left"}, indent=2)
    (folder / "tower" / "tokenizer_config.json").write_text(left + "\n", encoding="utf-8")


def create_decoder(folder: Path, *, seed: int) -> None:
    """Write a GPT-2 that has learned nothing, with the tokenizer of the world's language model."""
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(WEIGHTS / "language" / name, folder / name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        GPT2LMHeadModel(decoder_config()).save_pretrained(folder)


def make_tokenizer(texts: Iterable[str], vocabulary: int = 1536) -> Qwen2Tokenizer:
    """A byte-level BPE of the kind that Qwen2 has, learned from `texts`."""
    core = Tokenizer(models.BPE())
    core.normalizer = normalizers.NFC()
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=12,  # in bytes: a word, not a phrase, where a language writes no spaces
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    learned = json.loads(core.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=learned["vocab"],
        merges=[tuple(pair) for pair in learned["merges"]],  # type: ignore[misc]
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token=None,  # type: ignore[arg-type]
        additional_special_tokens=list(SPECIAL),
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def tower_config(vocabulary: int) -> SiglipConfig:
    """A SigLIP of 64 patches a picture, 160 wide."""
    shared = {"hidden_size": 160, "intermediate_size": 480, "num_attention_heads": 4}
    return SiglipConfig(
        vision_config={
            **shared,
            "num_hidden_layers": 4,
            "image_size": IMAGE_SIZE,
            "patch_size": PATCH,
        },
        text_config={
            **shared,
            "num_hidden_layers": 2,
            "vocab_size": vocabulary,
            "max_position_embeddings": CAPTION_TOKENS,
            "projection_size": shared["hidden_size"],
        },
    )


def language_config(vocabulary: int) -> Qwen2Config:
    """A Qwen2 of four layers, 192 wide, with tied embeddings."""
    return Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        # About 1 / sqrt(width). At the usual 0.02 a model this narrow had not begun to read its
        # prompt after 58,000 examples; at 0.06 it copies from it after 6,400.
        initializer_range=0.06,
    )


def decoder_config() -> GPT2Config:
    """A GPT-2 of four layers, 192 wide, that reads the tokens of the world's language model."""
    language = json.loads((WEIGHTS / "language" / "config.json").read_text("utf-8"))
    return GPT2Config(
        **{name: language[name] for name in ("vocab_size", "bos_token_id", "eos_token_id")},
        n_embd=192,
        n_layer=4,
        n_head=4,
        n_positions=256,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own function, in one product
        initializer_range=0.06,  # see language_config
    )
