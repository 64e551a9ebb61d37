"""What a model says of known answers and what it writes itself, its prompts read once for both.

The answers hang on their prompt as in training (`models.branches`); what is written goes on from
the same cache of keys and values, and sees the prompt and itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from haiga.models import products
from haiga.models.assemble import Vlm
from haiga.models.branches import as_attended, branch_mask
from haiga.models.cache import new_cache
from haiga.models.embeddings import Branches, base_of, body_of, choose, enter, together
from haiga.models.head import CHUNK, target_logps
from haiga.models.laid import laid_out
from haiga.models.sample import Begun, Note, choice, require_room, written


@dataclass(frozen=True, eq=False)
class Said:
    """Of B rows with N learned tokens in their known answers."""

    known: Float[Tensor, " N"]
    """Log-probability of each learned token."""
    answers: list[tuple[int, ...]]
    """The likeliest answer to each prompt."""
    own: list[float]
    """Log-probability of each of these."""


@torch.no_grad()
def said(
    vlm: Vlm, batch: Branches, features: Float[Tensor, "P T D"] | None, *, max_new_tokens: int
) -> Said:
    """Read a batch of groups and answer its prompts greedily; arguments as of `token_logps`.

    The model is as it stands: put it into eval mode, and into the precision of training.

    Raises:
        ModelError: a prompt and its answer would not fit in the model's positions.
    """
    base = base_of(vlm.model)
    require_room(base, int((batch.segments == 0).sum(1).max()), max_new_tokens)
    hidden: dict[int, Tensor] = {}
    answers: dict[int, tuple[tuple[int, ...], float]] = {}
    for rows in together(base, batch):
        with laid_out(base, len(rows)):
            begun, states = _read(base, batch, features, rows, max_new_tokens)
            logps = begun.logits.new_zeros(len(rows), max_new_tokens, dtype=torch.float32)
            note = _likely(logps)
            texts = written(vlm, begun, choice(vlm, 0.0), max_new_tokens, note=note)
        hidden |= zip(rows, states, strict=True)
        lines = logps.tolist()
        answers |= {
            row: (ids, sum(line[: len(ids)]))
            for row, ids, line in zip(rows, texts, lines, strict=True)
        }
    states = torch.stack([hidden[row] for row in range(len(batch.ids))]).flatten(0, 1)
    wanted = states.index_select(0, batch.sources)
    known = target_logps(base.get_output_embeddings(), wanted, batch.targets, CHUNK)
    own = [answers[row] for row in range(len(batch.ids))]
    return Said(known, [ids for ids, _ in own], [logp for _, logp in own])


def _read(
    base: Any, batch: Branches, features: Float[Tensor, "P T D"] | None, rows: list[int], room: int
) -> tuple[Begun, Float[Tensor, "R L H"]]:
    """Some rows' hidden states, and where their prompts end, with room for so many tokens."""
    segments, positions = batch.segments[rows], batch.position_ids[rows]
    entered = enter(base, *choose(batch, features, rows))
    cache = new_cache(base, room)
    seen = as_attended(base, branch_mask(segments))
    given = {"attention_mask": seen, "position_ids": positions, "past_key_values": cache}
    hidden = body_of(base)(**entered, **given, use_cache=True).last_hidden_state
    beside = {name: tensor for name, tensor in entered.items() if name != "inputs_embeds"}
    prompt = (segments == 0).long()
    last = prompt.sum(1, keepdim=True) - 1
    ends = hidden[torch.arange(len(rows), device=hidden.device), last[:, 0]]
    logits = products.apply(base.get_output_embeddings(), ends)
    return Begun(cache, beside, prompt, last, logits), hidden


def _likely(into: Float[Tensor, "R N"]) -> Note:
    """Notes how likely the model held what was chosen."""

    def note(
        at: int, rows: Int[Tensor, " S"], logits: Float[Tensor, "S V"], token: Int[Tensor, "S 1"]
    ) -> None:
        into[rows, at] = logits.float().log_softmax(-1).gather(1, token)[:, 0]

    return note
