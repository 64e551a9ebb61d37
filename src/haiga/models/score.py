"""A scalar head on the last hidden state: a reward model's score, or a critic's expectation."""

from __future__ import annotations

from typing import Any, Final

from torch import nn

from haiga.models.embeddings import base_of

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
