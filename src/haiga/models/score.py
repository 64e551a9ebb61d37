"""A scalar head on the last hidden state: a reward model's score, or a critic's expectation."""

from __future__ import annotations

from typing import Any, Final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from haiga.errors import ModelError
from haiga.models import branches
from haiga.models.embeddings import Branches, base_of

SCORE: Final = "score"
"""Its name, as transformers' sequence classifiers have it."""


def add_score_head(model: Any) -> None:
    """Give the model a head that says 0 of everything until it has learned.

    In float32 whatever the model's dtype, as the projector is. A head that is there stays.
    """
    base = base_of(model)
    if hasattr(base, SCORE):
        return
    head = nn.Linear(base.config.get_text_config().hidden_size, 1, bias=False)
    nn.init.zeros_(head.weight)
    base.add_module(SCORE, head.to(base.device))


def drop_score_head(model: Any) -> None:
    """Take the head away, where there is one."""
    base = base_of(model)
    if hasattr(base, SCORE):
        delattr(base, SCORE)


def score_head(model: Any) -> Any:
    """The model's head.

    Raises:
        ModelError: it has none.
    """
    base = base_of(model)
    head = getattr(base, SCORE, None)
    if head is None:
        raise ModelError(
            f"{type(base).__name__} has no reward head: add one to it, a linear layer to a single "
            f"number under the name {SCORE!r}, as transformers' sequence classifiers have."
        )
    return head


def scores(
    model: Any,
    batch: Branches,
    places: Int[Tensor, " M"],
    features: Float[Tensor, "P T D"] | None = None,
    *,
    pixel_values: Float[Tensor, "P C H W"] | None = None,
) -> Float[Tensor, " M"]:
    """What the head says of the hidden states at `places`, flat positions of the batch (B * L).

    The other arguments are those of `branches.hidden_states`.

    Raises:
        ModelError: the model has no head, or cannot share its prompts.
    """
    hidden = branches.hidden_states(model, batch, features, pixel_values=pixel_values)
    return scores_of(model, hidden, places)


def scores_of(
    model: Any, hidden: Float[Tensor, "B L H"], places: Int[Tensor, " M"]
) -> Float[Tensor, " M"]:
    """`scores` of hidden states that are known, in the head's own precision: near 4, bfloat16 has
    steps of 1/32."""
    head = score_head(model)
    at = hidden.reshape(-1, hidden.shape[-1]).index_select(0, places)
    with torch.autocast(at.device.type, enabled=False):
        return head(at.to(head.weight.dtype)).squeeze(-1)
