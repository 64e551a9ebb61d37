"""Several continuations of one prompt, which is read once and kept once.

They are written side by side, as the branches of a group stand in training (`models.branches`): the
next tokens of all are one row, and each sees the prompt and its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import (
    Cache,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from haiga.errors import ModelError
from haiga.models import products
from haiga.models.assemble import Vlm
from haiga.models.branches import as_attended, why_unshared
from haiga.models.cache import may_drop, new_cache
from haiga.models.embeddings import base_of, body_of, choose, enter, together
from haiga.models.laid import laid_out

Choose: TypeAlias = Callable[[Float[Tensor, "S V"]], Int[Tensor, "S 1"]]
"""The next token of each sequence, from its logits."""
Note: TypeAlias = Callable[[int, Int[Tensor, " S"], Float[Tensor, "S V"], Int[Tensor, "S 1"]], None]
"""Told of every token: its place in the answer, whose answers are written on, and its logits."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """B prompts as token ids, padded on the left, with the pictures that fill their places."""

    ids: tuple[str, ...]
    input_ids: Int[Tensor, "B L"]
    attention_mask: Int[Tensor, "B L"]
    picture_ids: tuple[tuple[str, ...], ...]
    features: Float[Tensor, "P T D"] | None = None


@torch.no_grad()
def sample(
    vlm: Vlm,
    prompts: Prompts,
    *,
    number: int,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
) -> list[tuple[int, ...]]:
    """`number` continuations of each prompt as token ids, those of one prompt side by side.

    Each ends with the token that ended it; one without such a token was cut at `max_new_tokens`.
    The picture place and rows of the vocabulary that stand for no token are never drawn. At
    temperature 0 the likeliest token is taken. `generator` decides the draws; it must be on the
    model's device. Dropout is off meanwhile, and nothing keeps a graph.

    Raises:
        ModelError: a prompt and its answer would not fit in the model's positions.
    """
    base = base_of(vlm.model)
    require_room(base, int(prompts.attention_mask.sum(1).max()), max_new_tokens)
    training = vlm.model.training
    vlm.model.eval()
    choose_token = choice(vlm, temperature, top_p, generator)
    found: list[list[tuple[int, ...]]] = [[] for _ in prompts.ids]
    try:
        for rows in together(base, prompts):
            some = _some(prompts, rows)
            with laid_out(base, len(rows) * number):
                answers = _decode(vlm, base, some, number, max_new_tokens, choose_token)
            for at, row in enumerate(rows):
                found[row] = answers[at * number : (at + 1) * number]
    finally:
        vlm.model.train(training)
    return [answer for own in found for answer in own]


def _some(prompts: Prompts, rows: list[int]) -> Prompts:
    picked, features = choose(prompts, prompts.features, rows)
    return Prompts(
        picked.ids, picked.input_ids, prompts.attention_mask[rows], picked.picture_ids, features
    )


def ends_of(vlm: Vlm) -> set[int]:
    """The tokens that end an answer: the tokenizer's, and those of the checkpoint."""
    own = base_of(vlm.model).generation_config.eos_token_id
    ends = {vlm.tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])}
    return {int(token) for token in ends if token is not None}


def unwritten(vlm: Vlm) -> list[int]:
    """Tokens that nobody may write: the picture place, and rows that stand for no token."""
    vocabulary = base_of(vlm.model).config.get_text_config().vocab_size
    place = [] if vlm.image_token_id is None else [vlm.image_token_id]
    return [*place, *range(len(vlm.tokenizer), vocabulary)]


def require_room(base: Any, longest: int, new: int) -> None:
    """Refuse a prompt of `longest` tokens that leaves no room for `new` ones.

    Raises:
        ModelError: they would not fit in the model's positions.
    """
    limit = base.config.get_text_config().max_position_embeddings
    if longest + new > limit:
        raise ModelError(
            f"A prompt of {longest} tokens and an answer of {new} do not fit in the model's "
            f"{limit} positions. Shorten the prompt or the answer."
        )


def choice(
    vlm: Vlm, temperature: float, top_p: float = 1.0, generator: torch.Generator | None = None
) -> Choose:
    """How the next token is chosen; the likeliest one at temperature 0."""
    barred = torch.tensor(unwritten(vlm), dtype=torch.long, device=vlm.model.device)
    warp = LogitsProcessorList()
    if temperature > 0 and temperature != 1.0:
        warp.append(TemperatureLogitsWarper(temperature))
    if temperature > 0 and top_p < 1.0:
        warp.append(TopPLogitsWarper(top_p))

    def choose(logits: Float[Tensor, "S V"]) -> Int[Tensor, "S 1"]:
        scores = logits.float().index_fill(-1, barred, -torch.inf)
        if temperature == 0:
            return scores.argmax(-1, keepdim=True)
        return drawn(warp(None, scores).softmax(-1), generator)  # type: ignore[arg-type]

    return choose


def drawn(
    shares: Float[Tensor, "S V"], generator: torch.Generator | None = None
) -> Int[Tensor, "S 1"]:
    """A token of each row, as likely as its share; one whose share is 0 is never drawn.

    By the inverse of the distribution function, which takes one random number a row:
    `torch.multinomial` draws one for every word of the vocabulary, longer than the model needs to
    think of the next token.
    """
    apple = shares.device.type == "mps"  # has no float64
    upto = shares.cumsum(-1, dtype=torch.float32 if apple else torch.float64)
    at = torch.rand(len(shares), 1, dtype=upto.dtype, device=upto.device, generator=generator)
    return torch.searchsorted(upto, at * upto[:, -1:], right=True)


@dataclass(frozen=True, eq=False)
class Begun:
    """B rows that have been read, where continuations begin."""

    cache: Cache
    beside: Mapping[str, Tensor]
    """What the body is given with every token, beside the words."""
    shown: Int[Tensor, "B L"]
    """1 where a continuation sees what was read: the prompt."""
    at: Int[Tensor, "B 1"]
    """The position of a prompt's last token."""
    logits: Float[Tensor, "B V"]
    """Of the token that comes next."""


def _decode(
    vlm: Vlm, base: Any, prompts: Prompts, number: int, new: int, choose: Any
) -> list[tuple[int, ...]]:
    body, mask = body_of(base), prompts.attention_mask
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    # A model that takes no mask of ours reads a copy of the prompt for each continuation.
    shared = why_unshared(base) is None
    cache = new_cache(base, number * new if shared else new)
    # The checkpoint's dtype decides inside; autocast, where it is on, as in training.
    entered = enter(base, prompts, prompts.features)
    given = {"attention_mask": mask, "position_ids": positions, "past_key_values": cache}
    hidden = body(**entered, **given, use_cache=True).last_hidden_state
    logits = products.apply(base.get_output_embeddings(), hidden[:, -1])
    beside = {name: tensor for name, tensor in entered.items() if name != "inputs_embeds"}
    begun = Begun(cache, beside, mask, positions[:, -1:], logits)
    if shared:
        return written(vlm, begun, choose, new, side=number)
    return written(vlm, _copied(begun, number), choose, new)


def _copied(begun: Begun, number: int) -> Begun:
    begun.cache.batch_repeat_interleave(number)
    rest = (begun.shown, begun.at, begun.logits)
    copied = {name: each.repeat_interleave(number, 0) for name, each in begun.beside.items()}
    return Begun(begun.cache, copied, *(each.repeat_interleave(number, 0) for each in rest))


def written(
    vlm: Vlm, begun: Begun, choose: Choose, new: int, side: int = 1, note: Note | None = None
) -> list[tuple[int, ...]]:
    """`side` continuations of each row, token by token, each up to what ends it.

    Where each row is continued once, those that have come to their end are left behind when they
    are half of all.
    """
    base = base_of(vlm.model)
    body, head = body_of(base), base.get_output_embeddings()
    logits = begun.logits.repeat_interleave(side, 0)
    token = choose(logits)
    ends = torch.tensor(sorted(ends_of(vlm)), device=token.device)
    said = ends[:1].repeat(len(token), new)
    said[:, :1], over = token, torch.isin(token, ends)
    rows, drops = torch.arange(len(token), device=token.device), side == 1 and may_drop(begun.cache)
    for done in range(1, new + 1):
        if note is not None:
            note(done - 1, rows, logits, token)
        going = len(over) - int(over.sum())
        if going == 0 or done == new:
            break
        if drops and going <= len(over) // 2:
            kept = (~over).nonzero()[:, 0]
            begun, rows, token, over = _kept(begun, kept), rows[kept], token[kept], over[kept]
        hidden = body(
            inputs_embeds=base.get_input_embeddings()(token.view(-1, side)),
            **begun.beside,
            attention_mask=_seen(base, begun.shown, side, done),
            position_ids=begun.at.expand(-1, side) + done,
            past_key_values=begun.cache,
            use_cache=True,
        ).last_hidden_state
        logits = products.apply(head, hidden.flatten(0, 1))
        token = choose(logits)
        said[rows, done] = token[:, 0]
        over = over | torch.isin(token, ends)
    return [_until(row, set(ends.tolist())) for row in said.tolist()]


def _kept(begun: Begun, rows: Int[Tensor, " K"]) -> Begun:
    begun.cache.batch_select_indices(rows)
    beside = {name: each[rows] for name, each in begun.beside.items()}
    return Begun(begun.cache, beside, begun.shown[rows], begun.at[rows], begun.logits[rows])


def _seen(base: Any, prompt: Int[Tensor, "B L"], side: int, written: int) -> Tensor:
    """What the newest tokens see of prompt and written tokens: the prompt, and each its own."""
    if side == 1:
        return torch.cat([prompt, prompt.new_ones(len(prompt), written)], 1)
    own = torch.eye(side, dtype=torch.bool, device=prompt.device).repeat(1, written)
    shown = prompt.bool()[:, None, None].expand(-1, 1, side, -1)
    return as_attended(base, torch.cat([shown, own.expand(len(prompt), 1, -1, -1)], -1))


def _until(row: list[int], ends: set[int]) -> tuple[int, ...]:
    """The row up to the token that ends it."""
    stop = next((at for at, token in enumerate(row) if token in ends), len(row) - 1)
    return tuple(row[: stop + 1])
