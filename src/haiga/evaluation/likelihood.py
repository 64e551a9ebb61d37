"""How likely a model finds given texts as answers: a picture read once, its candidates as branches.

It serves closed questions (which of the choices is likeliest) and retrieval by the model's own
likelihoods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from haiga.batches.groups import collate
from haiga.batches.render import Rendered, render
from haiga.errors import TooLongError
from haiga.evaluation.conditions import Item
from haiga.evaluation.seen import features_of
from haiga.models import branches
from haiga.models.assemble import Vlm
from haiga.models.embeddings import base_of
from haiga.models.laid import laid_out
from haiga.records import Answer, Group, assistant

ROOM: Final = 4096
"""Positions of one forward pass: prompts and all their candidates, with padding."""


class Likely(NamedTuple):
    """The log-probability of each text of one item, and how many tokens each has."""

    logps: Float[Tensor, " K"]
    tokens: Float[Tensor, " K"]

    @property
    def means(self) -> Float[Tensor, " K"]:
        """By the token, so that a short text is not likelier for being short."""
        return self.logps / self.tokens


Asked: TypeAlias = tuple[int, Rendered]
"""The place of an item, and some of its texts behind its prompt."""


@torch.no_grad()
def answer_logps(
    vlm: Vlm,
    items: Sequence[Item],
    texts: Sequence[Sequence[str]],
    pictures: Mapping[str, bytes],
    features: Path | None = None,
    *,
    room: int = ROOM,
) -> list[Likely]:
    """How likely each item's texts are as its answer; the closing marker is their last token.

    The model is in eval mode meanwhile. A picture is read once for all texts of one forward pass.

    Args:
        vlm: on any device; what comes back is on the CPU.
        items: what is asked, with the pictures that are shown.
        texts: of each item, one or more.
        pictures: the bytes of the items' pictures.
        features: the folder where what towers see is kept, a run's own; None keeps nothing.
        room: positions of one forward pass.

    Raises:
        TooLongError: a prompt with one of its texts does not fit in the model's positions.
        PlaceholderError: a prompt's places and its pictures do not match.
    """
    rows = list(_rows(vlm, items, texts, room))
    found: list[list[tuple[Tensor, Tensor]]] = [[] for _ in items]
    training = vlm.model.training
    vlm.model.eval()
    try:
        for part in _batches(rows, room):
            shown = [items[at] for at, _ in part if items[at].pictures]
            seen = features_of(vlm, shown, pictures, features) if shown else None
            with laid_out(base_of(vlm.model), room):
                likely = _logps(vlm, part, seen)
            for (at, _), each in zip(part, likely, strict=True):
                found[at].append(each)
    finally:
        vlm.model.train(training)
    return [Likely(*(torch.cat(column) for column in zip(*own, strict=True))) for own in found]


def _rows(
    vlm: Vlm, items: Sequence[Item], texts: Sequence[Sequence[str]], room: int
) -> Iterator[Asked]:
    """Each item with as many of its texts as fit beside each other."""
    limit = base_of(vlm.model).config.get_text_config().max_position_embeddings
    alone = branches.why_unshared(vlm.model) is not None
    for at, (item, own) in enumerate(zip(items, texts, strict=True)):
        answers = tuple(Answer((assistant(text),)) for text in own)
        group = Group(item.id, item.prompt, answers, item.pictures)
        whole = render(vlm.processor, group, vlm.picture_tokens)
        if whole.longest > limit:
            raise TooLongError(
                f"{item.id}: the prompt and an answer have {whole.longest} tokens, and the model "
                f"has {limit} positions. Shorten the prompt."
            )
        start, used = 0, len(whole.prefix)
        for end, answer in enumerate(whole.answers):
            if end > start and (alone or used + len(answer.ids) > room):
                yield at, _some(whole, start, end)
                start, used = end, len(whole.prefix)
            used += len(answer.ids)
        yield at, _some(whole, start, len(whole.answers))


def _some(row: Rendered, start: int, end: int) -> Rendered:
    return replace(row, answers=row.answers[start:end], kinds=row.kinds[start:end])


def _batches(rows: Sequence[Asked], room: int) -> Iterator[list[Asked]]:
    """Rows that fit in one forward pass, with their padding; with pictures or without."""
    part: list[Asked] = []
    longest = 0
    for row in rows:
        width = len(row[1].prefix) + sum(len(answer.ids) for answer in row[1].answers)
        other = part and bool(part[0][1].picture_ids) != bool(row[1].picture_ids)
        if part and (other or max(longest, width) * (len(part) + 1) > room):
            yield part
            part, longest = [], 0
        part.append(row)
        longest = max(longest, width)
    if part:
        yield part


def _logps(
    vlm: Vlm, part: Sequence[Asked], features: Float[Tensor, "P T D"] | None
) -> list[tuple[Tensor, Tensor]]:
    """Of each row, the sums of its answers' log-probs and the numbers of their tokens."""
    batch = collate([row for _, row in part], vlm.tokenizer.pad_token_id).to(vlm.model.device)
    logps = branches.token_logps(vlm.model, batch, features)
    count = len(batch.group_of)
    sums = logps.new_zeros(count).index_add(0, batch.answer_of, logps).cpu()
    tokens = torch.bincount(batch.answer_of, minlength=count).float().cpu()
    sizes = [len(row.answers) for _, row in part]
    return list(zip(sums.split(sizes), tokens.split(sizes), strict=True))
