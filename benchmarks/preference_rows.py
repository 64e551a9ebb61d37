"""What both sides of `preference_step.py` are given: one checkpoint, one adapter, the same rows."""

from __future__ import annotations

import itertools
import string
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from group_forward import ANSWER, IMAGE_ID, PATCHES, PREFIX, TEXT, TOWER
from peft import get_peft_model_state_dict
from PIL import Image
from safetensors.torch import save_file
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
    SiglipVisionModel,
)
from transformers.utils import logging

from haiga.models import adapters
from haiga.models.assemble import assemble
from haiga.records import IMAGE, Answer, Group, Picture, assistant, user
from haiga.store import digest

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Nothing follows the end of a turn: TRL would learn it, and haiga would not."""
TEMPLATE = 18
"""Tokens that the template puts into a prompt."""
FIRST = 3
"""Tokens of an answer's first word, which has no space before it."""
ADAPTER = "adapter.safetensors"
RANK, ALPHA = 16, 32.0


@dataclass(frozen=True)
class Sizes:
    """How large the model is, and a step."""

    tower: Mapping[str, Any]
    text: Mapping[str, Any]
    groups: int
    """Groups of one prompt and two answers in a step on known answers."""
    prefix: int
    """Tokens of a prompt, its picture's among them."""
    answer: int
    """Tokens of an answer, known or sampled."""
    prompts: int = 2
    """Prompts of a rollout."""
    samples: int = 8

    @property
    def patches(self) -> int:
        return int((self.tower["image_size"] // self.tower["patch_size"]) ** 2)


FULL = Sizes(TOWER, TEXT, groups=8, prefix=PREFIX, answer=ANSWER)
TOY = Sizes(
    TOWER | {"hidden_size": 48, "num_hidden_layers": 1, "image_size": 32, "patch_size": 16},
    TEXT | {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2},
    groups=2,
    prefix=24,
    answer=6,
    samples=3,
)
assert FULL.patches == PATCHES


def tokenizer(rows: int) -> Qwen2Tokenizer:
    """A word of three letters after a space is one token; the picture's place is the last."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|image_pad|>"]
    letters = string.ascii_lowercase
    merges = [
        (f"Ġ{''.join(start)}", letter)
        for length in range(4)
        for start in itertools.product(letters, repeat=length)
        for letter in letters
    ]
    bytes = sorted(ByteLevel.alphabet())
    merges = merges[: rows - len(bytes) - len(special)]
    words = [*bytes, *("".join(merge) for merge in merges)]
    made = Qwen2Tokenizer(
        vocab={word: at for at, word in enumerate(words)},
        merges=merges,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=special,
    )
    made.chat_template = CHAT
    return made


def write(folder: Path, sizes: Sizes) -> None:
    """The checkpoint in `folder`, as `haiga.models.assemble` makes it, and a fresh adapter."""
    logging.disable_progress_bar()
    torch.manual_seed(0)
    names = tokenizer(sizes.text["vocab_size"])
    assert names.convert_tokens_to_ids("<|image_pad|>") == IMAGE_ID
    side = sizes.tower["image_size"]
    for part in (
        SiglipVisionModel(SiglipVisionConfig(**sizes.tower)),
        SiglipImageProcessorPil(size={"height": side, "width": side}),
    ):
        part.save_pretrained(folder / "tower")
    language = Qwen2ForCausalLM(Qwen2Config(**sizes.text, eos_token_id=names.eos_token_id))
    for each in (language, names):
        each.save_pretrained(folder / "language")
    vlm = assemble(folder / "tower", folder / "language")
    adapters.save_base(vlm, folder / "base")
    adapted = adapters.attach(vlm, r=RANK, alpha=ALPHA, seed=1).model
    save_file(get_peft_model_state_dict(adapted), folder / ADAPTER)


def groups(sizes: Sizes, number: int) -> tuple[list[Group], dict[str, bytes]]:
    """Groups of random words on pictures of random dots, the same wherever they are asked for."""
    draw = np.random.default_rng(0)
    side = sizes.tower["image_size"]
    made, pictures = [], {}
    for at in range(number):
        file = BytesIO()
        dots = draw.integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(dots).save(file, format="PNG")
        id = digest(file.getvalue())
        pictures[id] = file.getvalue()
        question = words(draw, sizes.prefix - sizes.patches - TEMPLATE)
        good, bad = (words(draw, sizes.answer - FIRST) for _ in range(2))
        made.append(
            Group(
                id=str(at),
                prompt=(user(IMAGE, f" {question}"),),
                answers=(Answer((assistant(good),)), Answer((assistant(bad),), "rejected")),
                pictures=(Picture(id, side, side),),
                cluster=str(at),
            )
        )
    return made, pictures


def words(draw: np.random.Generator, number: int) -> str:
    """Random words of three letters, each a token after a space."""
    letters = draw.integers(0, 26, (number, 3))
    return " ".join("".join(string.ascii_lowercase[at] for at in word) for word in letters)


def letters(text: str) -> float:
    """The reward of a rollout: how many of a text's characters are an e."""
    return text.count("e") / (1 + len(text))
