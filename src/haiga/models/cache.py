"""Keys and values of what was read, while more is written: with room for it, and never read twice.

transformers' own cache is copied whole for every token, once for each layer.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import Cache, DynamicCache, EncoderDecoderCache
from transformers.cache_utils import DynamicLayer


def new_cache(base: Any, room: int) -> Cache:
    """An empty cache for a model's body, in which `room` positions follow what is read first.

    A body that looks at pictures beside the words keeps their keys and values as well: without a
    place for them it makes them anew for every token.
    """
    config = base.config.get_text_config()
    cache = DynamicCache(config=config)
    cache.layers = [Roomy(room) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    if getattr(config, "add_cross_attention", False):
        return EncoderDecoderCache(cache, DynamicCache(config=config))
    return cache


def may_drop(cache: Any) -> bool:
    """Whether rows can be taken out of a cache: layers that keep a state, and no keys, cannot."""
    layers = getattr(cache, "self_attention_cache", cache).layers
    return all(hasattr(layer, "batch_select_indices") for layer in layers)


class Roomy(DynamicLayer):
    """A layer's keys and values as views of tensors that are longer than they are."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.held: list[Tensor] = []

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **named: Any
    ) -> tuple[Float[Tensor, "B G L D"], Float[Tensor, "B G L D"]]:
        """What there is with these behind it, as transformers' own says it."""
        key_states, value_states = (_as_met(own) for own in (key_states, value_states))
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        old, new = self.get_seq_length(), key_states.shape[-2]
        if not self.held or old + new > self.held[0].shape[-2]:
            self.held = [self._longer(own, old + new) for own in (key_states, value_states)]
            if old:
                before: Any = (self.keys, self.values)
                for held, own in zip(self.held, before, strict=True):
                    held[..., :old, :] = own
        for held, own in zip(self.held, (key_states, value_states), strict=True):
            held[..., old : old + new, :] = own
        self.keys, self.values = (held[..., : old + new, :] for held in self.held)
        return self.keys, self.values

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Copies for as many continuations."""
        super().batch_repeat_interleave(repeats)
        self.held = []

    def batch_select_indices(self, indices: Int[Tensor, " K"]) -> None:
        """These rows alone."""
        super().batch_select_indices(indices)
        self.held = []

    def _longer(self, like: Tensor, length: int) -> Tensor:
        return like.new_empty(*like.shape[:-2], length + self.room, like.shape[-1])


def _as_met(own: Tensor) -> Tensor:
    """In the precision that attention will meet it in, so that it is cast once and not by token."""
    kind = own.device.type
    return own.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else own
