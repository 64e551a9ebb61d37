"""Whether a model in fewer bits still writes the same: token by token, and check by check.

Token by token, both models read what the whole one wrote, and their next-token distributions p
(whole) and q (variant) are held against each other: KL(p || q) = sum p (log p - log q) in nats, and
how often both find the same token likeliest. Check by check, each model wrote by itself, and two
one-sided tests (Schuirmann 1987) say whether a share moved by less than a margin that was chosen
before; that no difference was seen would say less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import eq
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from haiga.batches.groups import GroupBatch, collate
from haiga.batches.render import Rendered, render
from haiga.evaluation.checks import Parts
from haiga.evaluation.compare import linearised
from haiga.evaluation.conditions import Item, images
from haiga.models.assemble import Vlm
from haiga.models.branches import hidden_states
from haiga.models.embeddings import base_of
from haiga.models.fit import pixels
from haiga.records import Answer, Group, assistant
from haiga.statistics import paired
from haiga.statistics.intervals import bootstrap_ratio, wilson

BATCH = 8
"""Answers read together: each of their tokens has a whole vocabulary, twice."""


@dataclass(frozen=True, slots=True)
class Apart:
    """How far two models are apart on one answer."""

    tokens: int
    kl: float
    """Sum over its tokens, in nats."""
    same: int
    """Tokens of which both models find the same one likeliest."""


@torch.no_grad()
def apart(
    whole: Vlm,
    variant: Vlm,
    items: Sequence[Item],
    answers: Sequence[str],
    pictures: Mapping[str, bytes],
) -> list[Apart]:
    """How far a variant is from the whole model on answers that the whole model gave.

    Args:
        answers: one for each item; an empty one has its closing token alone.
        pictures: the bytes of every picture of the items. Each model sees by its own tower.
    """
    rows = [
        render(whole.processor, _answered(item, text), whole.picture_tokens)
        for item, text in zip(items, answers, strict=True)
    ]
    found = []
    for start in range(0, len(rows), BATCH):
        chosen = rows[start : start + BATCH]
        views = _views(whole, items[start : start + BATCH], pictures)
        found += _apart(whole, variant, chosen, views)
    return found


def divergence(found: Sequence[Apart], clusters: Sequence[str], seed: int) -> dict[str, Any]:
    """ "kl", nats a token, and "same", a share of tokens: mean, low, high, n (answers)."""
    tokens = [float(each.tokens) for each in found]
    return {
        name: asdict(
            bootstrap_ratio(
                [float(getattr(each, name)) for each in found], tokens, clusters=clusters, seed=seed
            )
        )
        for name in ("kl", "same")
    }


def equal(whole: Sequence[str], variant: Sequence[str]) -> dict[str, Any]:
    """The share of answers that are the same to the letter, with Wilson's interval."""
    return asdict(wilson(sum(map(eq, whole, variant)), len(whole)))


def equivalences(
    whole: Mapping[str, Parts],
    variant: Mapping[str, Parts],
    clusters: Sequence[str],
    margin: float,
) -> dict[str, dict[str, Any]]:
    """Check -> difference (variant less whole), its 90 % interval, p and whether it `holds`."""
    found = {}
    for name, parts in whole.items():
        if not any(parts):
            continue
        groups = [c for c, part in zip(clusters, parts, strict=True) if part is not None]
        sides = linearised(parts), linearised(variant[name])
        found[name] = asdict(paired.equivalence(*sides, margin=margin, clusters=groups))
    return found


def _answered(item: Item, text: str) -> Group:
    return Group(
        id=item.id,
        prompt=item.prompt,
        answers=(Answer((assistant(text),)),),
        pictures=item.pictures,
        task=item.task,
    )


def _views(
    vlm: Vlm, items: Sequence[Item], pictures: Mapping[str, bytes]
) -> Float[Tensor, "P C H W"] | None:
    shown = [image for item in items for image in images(item, pictures)]
    return pixels(vlm.processor.image_processor, shown) if shown else None


def _apart(whole: Vlm, variant: Vlm, rows: Sequence[Rendered], views: Tensor | None) -> list[Apart]:
    batch = collate(rows, whole.tokenizer.pad_token_id)
    p, q = (_distribution(vlm, batch, views) for vlm in (whole, variant))
    kl = (p.exp() * (p - q)).sum(-1)
    same = p.argmax(-1) == q.argmax(-1)
    found = []
    for answer in range(len(rows)):
        mine = batch.answer_of == answer
        found.append(Apart(int(mine.sum()), float(kl[mine].sum()), int(same[mine].sum())))
    return found


def _distribution(vlm: Vlm, batch: GroupBatch, views: Tensor | None) -> Float[Tensor, "N V"]:
    """Log-probabilities of every next token of the answers, in float32 on the CPU."""
    base, device = base_of(vlm.model), vlm.model.device
    moved = batch.to(device)
    shown = None if views is None else views.to(device)
    hidden = hidden_states(vlm.model, moved, pixel_values=shown)
    wanted = hidden.reshape(-1, hidden.shape[-1]).index_select(0, moved.sources)
    logits = base.get_output_embeddings()(wanted)
    return logits.float().log_softmax(-1).cpu()
