"""What an answer costs: where its time goes, and what a picture keeps in memory.

An answer is made step by step, as `models.sample` makes it, with the clock read in between; on an
accelerator only after it has done what it was told. Every answer is of the same length, so that
numbers of two models can be compared: nothing ends one early.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor
from transformers import Cache

from haiga.models import products
from haiga.models.assemble import Vlm
from haiga.models.cache import new_cache
from haiga.models.device import forget_peak, peak_bytes
from haiga.models.embeddings import base_of, body_of, enter, tower_features
from haiga.models.fit import pixels
from haiga.models.generate import prompt_ids, prompt_text
from haiga.models.laid import laid_out
from haiga.models.sample import Prompts
from haiga.models.variants import size
from haiga.records import Message

PHASES: Final = {
    "preprocess": "from the picture's file, opened, to the tower's pixels, and from words to ids",
    "encode": "the tower",
    "project": "from what the tower says to what the language model is given",
    "prefill": "the language model reads picture and prompt",
    "decode": "the language model writes, token after token",
}
GAIN: Final = 1.05
"""A batch twice as large is worth its memory where it answers at least so many times as fast."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One batch of answers."""

    seconds: dict[str, float]
    """Of each phase, for the whole batch."""
    positions: int
    """Of the longest prompt, its pictures' among them."""
    kept: int
    """Bytes that the language model keeps of one picture, among its words or beside them."""


def cost(
    vlm: Vlm,
    prompts: Sequence[Sequence[Message]],
    images: Sequence[Sequence[Image.Image]],
    *,
    new_tokens: int,
    most: int = 64,
) -> dict[str, Any]:
    """What it takes to answer these prompts, one by one and then in growing batches.

    Args:
        prompts: each with its pictures; the first warms up and is not counted.
        images: the pictures of each prompt, one or more.
        new_tokens: of every answer.
        most: the largest batch that is tried; prompts come again where there are fewer.

    Returns:
        "phases": name -> {"median", "p95"} in seconds, of one answer alone;
        "tokens_per_second" of decoding it;
        "batches": a row for each size that was tried, with "answers_per_second";
        "best_batch", the fastest of them, and what it held at once on an accelerator, "peak_bytes";
        "tokens_per_picture", and the bytes of their keys and values, "kept_bytes_per_picture";
        "prompt_positions", median; "parameters_bytes"; "answers" and "new_tokens".
    """
    asked = list(zip(prompts, images, strict=True))
    passes = [_pass(vlm, [each], new_tokens) for each in asked][1:] or [
        _pass(vlm, asked, new_tokens)
    ]
    phases = {name: [each.seconds[name] for each in passes] for name in PHASES}
    batches = list(_batches(vlm, asked, new_tokens, most))
    best = max(batches, key=lambda row: row["answers_per_second"])
    return {
        "answers": len(passes),
        "new_tokens": new_tokens,
        "phases": {
            name: {"median": float(np.median(taken)), "p95": float(np.percentile(taken, 95))}
            for name, taken in phases.items()
        },
        "tokens_per_second": (new_tokens - 1) / statistics.median(phases["decode"]),
        "batches": batches,
        "best_batch": best["batch"],
        "peak_bytes": best["peak_bytes"],
        "tokens_per_picture": vlm.picture_tokens,
        "kept_bytes_per_picture": passes[0].kept,
        "prompt_positions": int(statistics.median(each.positions for each in passes)),
        "parameters_bytes": size(vlm.model),
    }


def _batches(
    vlm: Vlm, asked: list[tuple[Sequence[Message], Sequence[Image.Image]]], new: int, most: int
) -> Iterator[dict[str, Any]]:
    """Doubling batches, until one is not worth its memory or does not fit."""
    size, before = 1, 0.0
    while size <= most:
        chosen = [asked[at % len(asked)] for at in range(size)]
        forget_peak()
        try:
            took = sum(_pass(vlm, chosen, new).seconds.values())
        except torch.OutOfMemoryError:
            return
        rate = size / took
        yield {"batch": size, "answers_per_second": rate, "peak_bytes": peak_bytes()}
        if rate < before * GAIN:
            return
        size, before = size * 2, rate


@torch.no_grad()
def _pass(
    vlm: Vlm, asked: Sequence[tuple[Sequence[Message], Sequence[Image.Image]]], new: int
) -> Pass:
    base, marks = base_of(vlm.model), [_now(vlm)]
    texts = [prompt_text(vlm, at, prompt) for at, (prompt, _) in enumerate(asked)]
    flat = [image for _, own in asked for image in own]
    ids, mask = prompt_ids(vlm, texts)
    views = pixels(vlm.processor.image_processor, flat).to(vlm.model.device)
    marks.append(_now(vlm))
    features = tower_features(vlm.model, views)
    marks.append(_now(vlm))
    names = tuple(tuple(f"{at}.{k}" for k in range(len(own))) for at, (_, own) in enumerate(asked))
    prompts = Prompts(tuple(map(str, range(len(asked)))), ids, mask, names, features)
    entered = enter(base, prompts, features)
    marks.append(_now(vlm))
    cache = new_cache(base, new)
    with laid_out(base, len(asked)):
        token = _read(base, entered, mask, cache)
        marks.append(_now(vlm))
        read, looked_at = (
            _bytes(getattr(cache, f"{name}_attention_cache", default))
            for name, default in (("self", cache), ("cross", None))
        )
        kept = read // mask.numel() * vlm.picture_tokens + looked_at // max(1, len(flat))
        beside = {name: tensor for name, tensor in entered.items() if name != "inputs_embeds"}
        for _ in range(new - 1):
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
            words = base.get_input_embeddings()(token[:, None])
            token = _read(base, {"inputs_embeds": words, **beside}, mask, cache)
    marks.append(_now(vlm))
    seconds = [after - before for before, after in itertools.pairwise(marks)]
    return Pass(dict(zip(PHASES, seconds, strict=True)), ids.shape[1], kept)


def _read(
    base: Any, entered: dict[str, Tensor], mask: Int[Tensor, "B L"], cache: Cache
) -> Int[Tensor, " B"]:
    """The likeliest next token, after what has newly entered."""
    new = entered["inputs_embeds"].shape[1]
    positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -new:]
    output = body_of(base)(
        **entered,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
    )
    return products.apply(base.get_output_embeddings(), output.last_hidden_state[:, -1]).argmax(-1)


def _bytes(cache: Any) -> int:
    """Of the keys and values in it; None of no cache."""
    layers = cache.layers if cache is not None else ()
    return sum(each.keys.nbytes + each.values.nbytes for each in layers if each.is_initialized)


def _now(vlm: Vlm) -> float:
    if vlm.model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
