"""What the model writes: batched answers to messages and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from transformers import GenerationConfig

from haiga.errors import DataError, PlaceholderError, TooLongError
from haiga.models.assemble import Vlm
from haiga.models.embeddings import base_of
from haiga.models.features import encode_pictures
from haiga.models.sample import Prompts, ends_of, sample, unwritten
from haiga.records import MAX_PICTURES, Message, message_to_dict

See: TypeAlias = Callable[[Sequence[int]], Float[Tensor, "P T D"]]
"""Places of prompts -> the tower's features of all their pictures, one after another."""


def generate(
    vlm: Vlm,
    prompts: Sequence[Sequence[Message]],
    images: Sequence[Sequence[Image.Image]],
    **how: Any,
) -> list[str]:
    """One answer for each prompt, whose pictures are read for this alone; `how` as of `respond`.

    Raises:
        PlaceholderError: a prompt's picture places and its pictures do not match.
    """
    for row, (prompt, given) in enumerate(zip(prompts, images, strict=True)):
        places = _places(prompt)
        if places != len(given):
            raise PlaceholderError(
                f"Prompt {row} has {places} picture places and {len(given)} pictures. "
                "Give one IMAGE part for each picture."
            )

    def see(rows: Sequence[int]) -> Float[Tensor, "P T D"]:
        return encode_pictures(vlm, [image for row in rows for image in images[row]])

    return respond(vlm, prompts, see, **how)


def respond(
    vlm: Vlm,
    prompts: Sequence[Sequence[Message]],
    see: See,
    *,
    max_new_tokens: int,
    number: int = 1,
    temperature: float = 0.0,
    seed: int = 0,
    batch: int = 64,
) -> list[str]:
    """`number` answers to each prompt, side by side and in order, without special tokens.

    Temperature 0 takes the likeliest token; above it, tokens are drawn from the model's own
    distribution, nothing cut off, reproducibly from `seed`. The checkpoint's generation defaults
    (Qwen2.5 has a repetition penalty and top-k) are not used. Picture places and rows of the
    vocabulary that stand for no token are never written. Prompts with and without pictures may be
    mixed. The model is in eval mode meanwhile; its mode is put back.

    Raises:
        PlaceholderError: a prompt's picture places and its features do not match.
        TooLongError: a prompt and its answer would not fit in the model's positions.
        DataError: more than `records.MAX_PICTURES` pictures in one prompt.
    """
    texts = [prompt_text(vlm, row, prompt) for row, prompt in enumerate(prompts)]
    shown = [_places(prompt) for prompt in prompts]
    answers: list[list[str]] = [[] for _ in texts]
    draw = torch.Generator(vlm.model.device).manual_seed(seed)
    how: dict[str, Any] = {"max_new_tokens": max_new_tokens, "temperature": temperature}
    for rows in _batches(texts, shown, batch):
        ids, mask = prompt_ids(vlm, [texts[row] for row in rows])
        _check_room(vlm, ids, max_new_tokens)
        asked = Prompts(
            ids=tuple(map(str, rows)),
            input_ids=ids,
            attention_mask=mask,
            picture_ids=tuple(tuple(f"{row}.{k}" for k in range(shown[row])) for row in rows),
            features=see(rows) if any(shown[row] for row in rows) else None,
        )
        written = sample(vlm, asked, number=number, generator=draw, **how)
        for at, ids_of_one in enumerate(written):
            text = vlm.tokenizer.decode(ids_of_one, skip_special_tokens=True)
            answers[rows[at // number]].append(text)
    return [text for own in answers for text in own]


@torch.no_grad()
def generate_text(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[Message]],
    *,
    max_new_tokens: int,
    batch: int = 64,
) -> list[str]:
    """The likeliest answer of a language model alone to each prompt, in order."""
    rows = [[message_to_dict(message) for message in prompt] for prompt in prompts]
    texts = [
        tokenizer.apply_chat_template(row, tokenize=False, add_generation_prompt=True)
        for row in rows
    ]
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
    )
    answers = [""] * len(texts)
    for chosen in _batches(texts, [0] * len(texts), batch):
        inputs = tokenizer(
            [texts[row] for row in chosen],
            add_special_tokens=False,  # the template has written them, as it did in training
            padding=True,
            padding_side="left",
            return_tensors="pt",
        ).to(model.device)
        written = model.generate(**inputs, generation_config=config)
        ids = written[:, inputs["input_ids"].shape[1] :]
        for row, answer in zip(
            chosen, tokenizer.batch_decode(ids, skip_special_tokens=True), strict=True
        ):
            answers[row] = answer
    return answers


def prompt_text(vlm: Vlm, row: int, prompt: Sequence[Message]) -> str:
    """The prompt by the model's template, up to where the assistant begins.

    A picture has one place in it, where the design has places. `row` names the prompt in faults.

    Raises:
        PlaceholderError: its text holds a picture place itself, or the template writes others.
        DataError: more than `records.MAX_PICTURES` pictures.
    """
    places = _places(prompt)
    if places > MAX_PICTURES:
        raise DataError(
            f"Prompt {row} has {places} pictures, where at most {MAX_PICTURES} are read. "
            "Ask with fewer."
        )
    token = vlm.processor.image_token if vlm.design.placeholders else ""
    if token and any(token in message.text for message in prompt):
        raise PlaceholderError(
            f"The text of prompt {row} holds the picture place {token!r} itself. Remove it: "
            "only IMAGE parts stand for pictures."
        )
    rows = [message_to_dict(message) for message in prompt]
    text = vlm.processor.apply_chat_template(rows, tokenize=False, add_generation_prompt=True)
    if token and text.count(token) != places:
        raise PlaceholderError(
            f"The chat template wrote {text.count(token)} picture places for the {places} "
            f"pictures of prompt {row}. Use a template that writes one for each image part."
        )
    return str(text)


def greedy(vlm: Vlm, max_new_tokens: int) -> GenerationConfig:
    """How a checkpoint is to write by itself: as we have it write, always the likeliest token.

    Everything is said: what is left unsaid, transformers takes from elsewhere.
    """
    own = base_of(vlm.model).generation_config
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        bos_token_id=own.bos_token_id,
        decoder_start_token_id=own.decoder_start_token_id,
        eos_token_id=sorted(ends_of(vlm)),
        pad_token_id=vlm.tokenizer.pad_token_id,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        num_beams=1,
        suppress_tokens=unwritten(vlm),
        do_sample=False,
    )


def prompt_ids(vlm: Vlm, texts: Sequence[str]) -> tuple[Int[Tensor, "B L"], Int[Tensor, "B L"]]:
    """Texts of `prompt_text` as ids, padded on the left, each picture with all its positions; and
    1 where there is no padding."""
    if vlm.design.placeholders:
        token = vlm.processor.image_token
        texts = [text.replace(token, token * vlm.picture_tokens) for text in texts]
    read = vlm.tokenizer(
        list(texts),
        add_special_tokens=False,  # the template has written them, as it did in training
        padding=True,
        padding_side="left",
        return_tensors="pt",
    ).to(vlm.model.device)
    return read["input_ids"], read["attention_mask"]


def _places(prompt: Sequence[Message]) -> int:
    return sum(message.images for message in prompt)


def _check_room(vlm: Vlm, ids: Tensor, new: int) -> None:
    limit = base_of(vlm.model).config.get_text_config().max_position_embeddings
    if ids.shape[1] + new > limit:
        raise TooLongError(
            f"A prompt of {ids.shape[1]} tokens and an answer of {new} do not fit in the model's "
            f"{limit} positions. Shorten the prompt or the answer."
        )


def _batches(texts: Sequence[str], shown: Sequence[int], size: int) -> list[list[int]]:
    """Rows to answer together: with pictures or without, of like length to save padding."""
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    kinds = [[row for row in order if bool(shown[row]) is kind] for kind in (False, True)]
    return [rows[i : i + size] for rows in kinds for i in range(0, len(rows), size)]
