"""A cache with room says what transformers' own says."""

from __future__ import annotations

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from haiga.models.cache import Roomy, new_cache


def grown(layer: DynamicLayer, seed: int = 0) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    found = []
    for length in (5, 1, 3, 2, 4):
        own = (torch.randn(2, 3, length, 4, generator=draw) for _ in range(2))
        found += [each.clone() for each in layer.update(*own)]
    return found


def test_as_transformers_and_longer_than_its_room() -> None:
    for room in (0, 1, 10):
        for mine, theirs in zip(grown(Roomy(room)), grown(DynamicLayer()), strict=True):
            assert torch.equal(mine, theirs)


def test_what_follows_is_written_into_the_room() -> None:
    layer = Roomy(4)
    layer.update(torch.zeros(1, 1, 3, 2), torch.zeros(1, 1, 3, 2))
    place = layer.keys.data_ptr()
    layer.update(torch.ones(1, 1, 4, 2), torch.ones(1, 1, 4, 2))
    assert layer.keys.data_ptr() == place
    assert layer.get_seq_length() == 7
    layer.update(torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2))
    assert layer.keys[0, 0, :, 0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]


def test_copies_go_on_by_themselves() -> None:
    layers = [Roomy(9), DynamicLayer()]
    for layer in layers:
        layer.update(torch.arange(2.0).view(2, 1, 1, 1), torch.zeros(2, 1, 1, 1))
        layer.batch_repeat_interleave(2)
        layer.update(torch.arange(4.0).view(4, 1, 1, 1), torch.ones(4, 1, 1, 1))
    assert torch.equal(layers[0].keys, layers[1].keys)


def test_a_models_layers_have_room(tiny_vlm) -> None:
    cache = new_cache(tiny_vlm.model, 7)
    assert isinstance(cache, DynamicCache)
    assert [(type(layer), layer.room) for layer in cache.layers] == [(Roomy, 7)] * 2


def test_rows_are_taken_out() -> None:
    layers = [Roomy(9), DynamicLayer()]
    for layer in layers:
        layer.update(*(torch.arange(24.0).view(4, 1, 3, 2) for _ in range(2)))
        layer.batch_select_indices(torch.tensor([0, 2]))
        layer.update(torch.ones(2, 1, 1, 2), torch.ones(2, 1, 1, 2))
    assert torch.equal(layers[0].keys, layers[1].keys)
    assert layers[0].keys[1, 0, :, 0].tolist() == [12, 14, 16, 1]
