"""What the model writes: batched generation from messages and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import GenerationConfig

from haiga.errors import DataError, PlaceholderError, TooLongError
from haiga.models.assemble import Vlm
from haiga.models.embeddings import base_of
from haiga.models.features import encode_pictures
from haiga.models.sample import Prompts, ends_of, sample, unwritten
from haiga.records import MAX_PICTURES, Message, message_to_dict

Progress = Callable[[int, int], None]
"""Called with (answers done, answers in all) after each batch."""


def generate(
    vlm: Vlm,
    prompts: Sequence[Sequence[Message]],
    images: Sequence[Sequence[Image.Image]],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    batch: int = 64,
    progress: Progress | None = None,
) -> list[str]:
    """One answer for each prompt, in order, without special tokens.

    Temperature 0 takes the likeliest token; above it, tokens are drawn from the model's own
    distribution, nothing cut off, reproducibly from `seed`. The checkpoint's generation defaults
    (Qwen2.5 has a repetition penalty and top-k) are not used. Picture places and rows of the
    vocabulary that stand for no token are never written. Prompts with and without pictures may be
    mixed. The model is in eval mode meanwhile; its mode and the global random state are put back.

    Raises:
        PlaceholderError: a prompt's picture places and its pictures do not match.
        TooLongError: a prompt and its answer would not fit in the model's positions.
        DataError: more than `records.MAX_PICTURES` pictures in one prompt.
    """
    texts = [
        prompt_text(vlm, row, prompt, given)
        for row, (prompt, given) in enumerate(zip(prompts, images, strict=True))
    ]
    answers = [""] * len(texts)
    config = _settings(vlm, max_new_tokens, temperature)
    devices = [vlm.model.device] if vlm.model.device.type == "cuda" else []
    was_training, done = vlm.model.training, 0
    vlm.model.eval()
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            for rows in _batches(texts, images, batch):
                given = [list(images[row]) for row in rows]
                written = _answers(vlm, [texts[row] for row in rows], given, config, rows)
                for row, answer in zip(rows, written, strict=True):
                    answers[row] = answer
                done += len(rows)
                if progress:
                    progress(done, len(texts))
    finally:
        vlm.model.train(was_training)
    return answers


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
    for chosen in _batches(texts, [()] * len(texts), batch):
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


def prompt_text(vlm: Vlm, row: int, prompt: Sequence[Message], given: Sequence[Image.Image]) -> str:
    """The prompt by the model's template, up to where the assistant begins.

    A picture has one place in it, where the design has places. `row` names the prompt in faults.

    Raises:
        PlaceholderError: its picture places and its pictures do not match.
        DataError: more than `records.MAX_PICTURES` pictures.
    """
    places = sum(message.images for message in prompt)
    if places != len(given):
        raise PlaceholderError(
            f"Prompt {row} has {places} picture places and {len(given)} pictures. "
            "Give one IMAGE part for each picture."
        )
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
    """How a checkpoint is to write by itself: as we have it write, always the likeliest token."""
    own, config = base_of(vlm.model).generation_config, _settings(vlm, max_new_tokens, 0.0)
    config.bos_token_id = own.bos_token_id
    config.decoder_start_token_id = own.decoder_start_token_id
    return config


def _settings(vlm: Vlm, max_new_tokens: int, temperature: float) -> GenerationConfig:
    """Everything said: what is left unsaid, transformers takes from the checkpoint's own file."""
    sampling: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        sampling = {"do_sample": True, "temperature": temperature, "top_p": 1.0, "top_k": 0}
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        eos_token_id=sorted(ends_of(vlm)),
        pad_token_id=vlm.tokenizer.pad_token_id,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        num_beams=1,
        suppress_tokens=unwritten(vlm),
        **sampling,
    )


def _answers(
    vlm: Vlm,
    texts: list[str],
    given: list[list[Image.Image]],
    config: GenerationConfig,
    rows: list[int],
) -> list[str]:
    flat = [image for images in given for image in images]
    if not vlm.design.placeholders:
        return _beside(vlm, texts, given, config)
    inputs = vlm.processor(
        text=texts,
        images=flat or None,
        add_special_tokens=False,  # the template has written them, as it did in training
        padding=True,
        padding_side="left",
        return_tensors="pt",
    ).to(vlm.model.device)
    _check(vlm, inputs["input_ids"], given, config, rows)
    written = vlm.model.generate(**inputs, generation_config=config)
    ids = written[:, inputs["input_ids"].shape[1] :]
    return list(vlm.tokenizer.batch_decode(ids, skip_special_tokens=True))


def _beside(
    vlm: Vlm, texts: list[str], given: list[list[Image.Image]], config: GenerationConfig
) -> list[str]:
    """Answers by a design whose pictures stand beside the words.

    The model's own `generate` takes no two pictures for a prompt, none without any, and counts the
    padding on the left among a prompt's positions.
    """
    inputs = vlm.tokenizer(
        texts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt"
    ).to(vlm.model.device)
    _check_room(vlm, inputs["input_ids"], config)
    names = tuple(str(row) for row in range(len(texts)))
    prompts = Prompts(
        ids=names,
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        picture_ids=tuple(
            tuple(f"{row}.{k}" for k in range(len(images)))
            for row, images in zip(names, given, strict=True)
        ),
        features=encode_pictures(vlm, [image for images in given for image in images]),
    )
    temperature = config.temperature if config.do_sample else 0.0
    how = {"number": 1, "max_new_tokens": config.max_new_tokens, "temperature": temperature}
    written = sample(vlm, prompts, **how)
    return list(vlm.tokenizer.batch_decode(written, skip_special_tokens=True))


def _check(
    vlm: Vlm,
    ids: Tensor,
    given: list[list[Image.Image]],
    config: GenerationConfig,
    rows: list[int],
) -> None:
    """Each row's places against its own pictures: the model compares the batch's totals only."""
    found = ids.eq(vlm.image_token_id).sum(1).tolist()  # type: ignore[arg-type]
    for row, places, images in zip(rows, found, given, strict=True):
        if places != len(images) * vlm.picture_tokens:
            raise PlaceholderError(
                f"Prompt {row} has {places} picture positions for {len(images)} pictures of "
                f"{vlm.picture_tokens}. The processor and the model do not belong together."
            )
    _check_room(vlm, ids, config)


def _check_room(vlm: Vlm, ids: Tensor, config: GenerationConfig) -> None:
    limit = base_of(vlm.model).config.get_text_config().max_position_embeddings
    if ids.shape[1] + config.max_new_tokens > limit:
        raise TooLongError(
            f"A prompt of {ids.shape[1]} tokens and an answer of {config.max_new_tokens} do not "
            f"fit in the model's {limit} positions. Shorten the prompt or the answer."
        )


def _batches(
    texts: Sequence[str], images: Sequence[Sequence[Image.Image]], size: int
) -> list[list[int]]:
    """Rows to answer together: with pictures or without, of like length to save padding."""
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    kinds = [[row for row in order if bool(images[row]) is kind] for kind in (False, True)]
    return [rows[i : i + size] for rows in kinds for i in range(0, len(rows), size)]
