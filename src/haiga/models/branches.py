"""The shared-prefix forward: a prompt is read once, and every answer is a branch that hangs on it.

A row holds the prefix and, after it, its K answers. Each answer sees the prefix and itself, and its
positions continue from the prefix's end, so that every hidden state is the one that the plain
sequence [prefix, answer] has. The same idea is known as tree attention from speculative decoding
(Miao et al. 2024, SpecInfer, arXiv:2305.09781). The LM head is applied where something is learned,
a chunk at a time.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from haiga.errors import ModelError
from haiga.models import attention
from haiga.models.designs import design_of
from haiga.models.designs.base import Chosen, check_features
from haiga.models.embeddings import (
    Branches,
    base_of,
    body_of,
    choose,
    enter,
    pictures_of,
    together,
    tower_features,
)
from haiga.models.head import CHUNK, target_logps

SHARING = ("sdpa", "eager", attention.NAME)
"""The attention implementations that take a mask of their own."""


Batch = TypeVar("Batch", bound=Branches)


def branch_mask(segments: Int[Tensor, "B L"]) -> Bool[Tensor, "B 1 L L"]:
    """True where a query (third axis) sees a key (fourth): the prefix and its own branch, causally.

    A padding position (-1) sees itself alone, which keeps its softmax finite.
    """
    query, key = segments[:, :, None], segments[:, None, :]
    at = torch.arange(segments.shape[1], device=segments.device)
    seen = (at[:, None] >= at[None, :]) & ((key == 0) | (key == query)) & (query >= 0)
    return (seen | (at[:, None] == at[None, :]))[:, None]


def token_logps(
    model: Any,
    batch: Branches,
    features: Float[Tensor, "P T D"] | None = None,
    *,
    pixel_values: Float[Tensor, "P C H W"] | None = None,
    chunk: int = CHUNK,
    temperature: float = 1.0,
) -> Float[Tensor, " N"]:
    """Log-probs of the batch's targets, in fp32 whatever the model's dtype.

    `model` is of one of the `designs`, the same under PEFT, or a causal language model for
    text-only groups.
    `features` are the tower's features of the batch's pictures in order, before the projector; or
    `pixel_values` go through the tower. `chunk` targets at a time meet the vocabulary, whose logits
    are divided by `temperature`.

    Raises PlaceholderError where a row's picture places and features do not match, and ModelError
    where the model cannot take the branch mask (`why_unshared` says so beforehand).
    """
    hidden = hidden_states(model, batch, features, pixel_values=pixel_values)
    return logps_of(model, batch, hidden, chunk=chunk, temperature=temperature)


def logps_of(
    model: Any,
    batch: Branches,
    hidden: Float[Tensor, "B L H"],
    *,
    chunk: int = CHUNK,
    temperature: float = 1.0,
) -> Float[Tensor, " N"]:
    """`token_logps` of hidden states that are known."""
    wanted = hidden.reshape(-1, hidden.shape[-1]).index_select(0, batch.sources)
    head = base_of(model).get_output_embeddings()
    return target_logps(head, wanted, batch.targets, chunk, temperature)


def hidden_states(
    model: Any,
    batch: Branches,
    features: Float[Tensor, "P T D"] | None = None,
    *,
    pixel_values: Float[Tensor, "P C H W"] | None = None,
) -> Float[Tensor, "B L H"]:
    """Last hidden states (after the final norm) of every position; arguments as `token_logps`."""
    base = base_of(model)
    mask, positions = None, None
    # Without a second branch the causal mask is exact: nothing looks right, where the padding is.
    if int(batch.segments.max()) > 1:
        reason = why_unshared(model)
        if reason:
            raise ModelError(f"The groups of this batch cannot share their prompts: {reason}.")
        mask, positions = as_attended(base, branch_mask(batch.segments)), batch.position_ids
    if features is None and pixel_values is not None:
        features = tower_features(base, pixel_values)
    parts = together(base, batch)
    if len(parts) == 1:
        return _read(base, enter(base, batch, features), mask, positions)
    found = []
    for rows in parts:
        entered = enter(base, *choose(batch, features, rows))
        found.append(
            _read(
                base,
                entered,
                None if mask is None else mask[rows],
                None if positions is None else positions[rows],
            )
        )
    order = torch.tensor([at for rows in parts for at in rows], device=found[0].device)
    return torch.cat(found)[order.argsort()]


def _read(
    base: Any,
    entered: dict[str, Tensor],
    mask: Tensor | None,
    positions: Int[Tensor, "B L"] | None,
) -> Float[Tensor, "B L H"]:
    output = body_of(base)(**entered, attention_mask=mask, position_ids=positions, use_cache=False)
    return output.last_hidden_state


def as_attended(base: Any, seen: Bool[Tensor, "B 1 Q K"]) -> Tensor:
    """The mask of who sees whom, in the form that the model's attention takes."""
    if base.config.get_text_config()._attn_implementation != "eager":
        return seen
    # Eager attention adds its mask to the scores: a boolean one would hide nothing.
    smallest = torch.finfo(base.dtype).min
    return torch.zeros_like(seen, dtype=base.dtype).masked_fill(~seen, smallest)


def why_unshared(model: Any) -> str | None:
    """Why the model cannot take the branch mask, or None where it can."""
    base = base_of(model)
    if design_of(base) is None and not hasattr(base, "get_decoder"):
        return f"{type(base).__name__} is of no known design, and no causal language model"
    config = base.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        return f"it has layers of {', '.join(sorted(kinds - {'full_attention'}))}"
    if not hasattr(config, "layer_types") and getattr(config, "sliding_window", None):
        return "its attention slides over a window"
    if config._attn_implementation not in SHARING:
        return f"its attention is {config._attn_implementation}, which takes no mask of ours"
    return None


def unshared(batch: Batch) -> tuple[Batch, Int[Tensor, " P"]]:
    """The same groups as one plain row [prefix, answer] for each answer, for any model.

    Targets and answers keep their order, so that log-probs align. The second value says which of
    the batch's pictures each row needs, in order: index `features` or `pixel_values` with it.
    """
    width = batch.input_ids.shape[1]
    rows: list[int] = []
    pictures: list[int] = []
    sources, ends = batch.sources.clone(), batch.ends.clone()
    seen: dict[int, int] = {}
    keeps = []
    for r in batch.group_of.tolist():
        seen[r] = seen.get(r, 0) + 1
        segment = batch.segments[r]
        keeps.append((segment == 0) | (segment == seen[r]))
        pictures += pictures_of(batch, [r])
        rows.append(r)
    longest = max(int(keep.sum()) for keep in keeps)
    shape = (len(rows), longest)
    columns = {
        "input_ids": batch.input_ids.new_zeros(shape),
        "position_ids": batch.position_ids.new_zeros(shape),
        "segments": batch.segments.new_full(shape, -1),
    }
    for a, (r, keep) in enumerate(zip(rows, keeps, strict=True)):
        for name, column in columns.items():
            column[a, : int(keep.sum())] = getattr(batch, name)[r][keep]
        moved = keep.cumsum(0) - 1 + a * longest
        mine = batch.answer_of == a
        sources[mine] = moved[batch.sources[mine] - r * width]
        ends[a] = moved[batch.ends[a] - r * width]
    columns["segments"].clamp_(max=1)
    needed = torch.tensor(pictures, dtype=torch.long, device=batch.input_ids.device)
    for name in ("features", "pixel_values"):
        held = getattr(batch, name, None)
        if held is not None:
            columns[name] = held[needed.to(held.device)]
    plain = dataclasses.replace(
        batch,  # type: ignore[type-var]
        ids=tuple(batch.ids[r] for r in rows),
        picture_ids=tuple(batch.picture_ids[r] for r in rows),
        group_of=torch.arange(len(rows), device=batch.group_of.device),
        sources=sources,
        ends=ends,
        **columns,
    )
    return plain, needed


def plain_logps(
    model: Any,
    batch: Branches,
    features: Float[Tensor, "P T D"] | None = None,
    *,
    pixel_values: Float[Tensor, "P C H W"] | None = None,
    answers: int | None = None,
) -> Float[Tensor, " N"]:
    """Log-probs of the targets by the model's own forward, one answer at a time: the slow truth;
    of the first `answers` alone, if given.

    With `pixel_values` nothing of ours takes part: the model gets ids and pixels. With `features`
    it gets the embedded sequence.
    """
    rows, pictures = unshared(batch)
    width = rows.input_ids.shape[1]
    logps = []
    for a, names in enumerate(rows.picture_ids[:answers]):
        length = int((rows.segments[a] >= 0).sum())
        one = Chosen(rows.ids[a : a + 1], rows.input_ids[a : a + 1, :length], (names,))
        wanted = pictures[pictures_of(rows, [a])]
        shown = [
            None if given is None or not names else given[wanted.to(given.device)]
            for given in (features if pixel_values is None else None, pixel_values)
        ]
        logits = _plain(model, one, *shown)[0]
        mine = rows.answer_of == a
        lines = logits[rows.sources[mine] - a * width].float().log_softmax(-1)
        logps.append(lines.gather(1, rows.targets[mine, None])[:, 0])
    return torch.cat(logps)


def _plain(
    model: Any,
    row: Chosen,
    features: Float[Tensor, "P T D"] | None,
    pixel_values: Float[Tensor, "P C H W"] | None,
) -> Float[Tensor, "1 L V"]:
    if pixel_values is None:
        check_features(row, features)
    design = design_of(base_of(model))
    if design is None:
        return model(input_ids=row.input_ids, use_cache=False).logits
    return design.plain(model, row, features, pixel_values)


@torch.no_grad()
def compare(
    model: Any,
    batch: Branches,
    features: Float[Tensor, "P T D"] | None = None,
    *,
    pixel_values: Float[Tensor, "P C H W"] | None = None,
    answers: int | None = None,
) -> float:
    """Largest |difference| of a token's log-prob between the shared and the plain forward, over the
    first `answers` if given.

    The check of the first batch: dropout is off meanwhile. With both `features` and `pixel_values`
    the shared forward reads the features and the plain one the pixels, so that a stale picture
    cache shows too.
    """
    training = model.training
    model.eval()
    try:
        fast = token_logps(
            model, batch, features, pixel_values=pixel_values if features is None else None
        )
        slow = plain_logps(
            model,
            batch,
            features if pixel_values is None else None,
            pixel_values=pixel_values,
            answers=answers,
        )
    finally:
        model.train(training)
    return float((fast[: len(slow)] - slow).abs().max())
