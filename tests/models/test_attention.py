"""Attention by plain products, against torch's own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from haiga.models import attention
from haiga.models.assemble import Vlm

LAYER = SimpleNamespace(num_key_value_groups=2, is_causal=True)


def parts(queries: int = 5, keys: int = 5) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    shapes = ((3, 4, queries, 8), (3, 2, keys, 8), (3, 2, keys, 8))
    return [torch.randn(shape, generator=draw).requires_grad_() for shape in shapes]


def outcome(attend, given, mask, dtype=torch.bfloat16):
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        said, nothing = attend(LAYER, *given, mask, scaling=0.3)
    assert nothing is None
    return [said, *torch.autograd.grad(said.float().square().sum(), given)]


def masks() -> dict[str, torch.Tensor | None]:
    seen = torch.rand(3, 1, 5, 5, generator=torch.Generator().manual_seed(1)) < 0.5
    return {"causal": None, "chosen": seen | torch.eye(5, dtype=torch.bool)}


@pytest.mark.parametrize("mask", masks().values(), ids=masks())
def test_as_torch_in_bfloat16(mask, monkeypatch):
    called = []
    whole = attention._by_products
    monkeypatch.setattr(attention, "_by_products", lambda *a: called.append(1) or whole(*a))
    ours = outcome(attention.attend, parts(), mask)
    assert called
    theirs = outcome(sdpa_attention_forward, parts(), mask)
    exact = outcome(sdpa_attention_forward, parts(), mask, None)
    for found, other, truth in zip(ours, theirs, exact, strict=True):
        assert found.dtype == other.dtype
        assert found.shape == truth.shape
        # Rounded as torch's kernel is: no further from the truth than twice its distance.
        apart = (other.float() - truth).square().mean().sqrt()
        assert (found.float() - truth).square().mean().sqrt() <= 2 * apart


@pytest.mark.parametrize(("queries", "keys"), [(5, 5), (1, 7), (3, 7)])
def test_in_float32_keys_are_met_where_they_are_shared(queries, keys, monkeypatch):
    given = parts(queries, keys)
    mask = torch.rand(3, 1, queries, keys, generator=torch.Generator().manual_seed(1)) < 0.7
    mask[..., 0] = True
    theirs = outcome(sdpa_attention_forward, given, mask, None)
    monkeypatch.setattr(
        "transformers.integrations.sdpa_attention.repeat_kv", lambda *a: pytest.fail("copied")
    )
    ours = outcome(attention.attend, given, mask, None)
    for found, truth in zip(ours, theirs, strict=True):
        assert found.shape == truth.shape
        torch.testing.assert_close(found, truth, atol=1e-6, rtol=1e-5)


def test_one_new_position_sees_all_that_is_kept():
    given = parts(queries=1, keys=7)
    ours, theirs = (
        outcome(way, given, None)[0] for way in (attention.attend, sdpa_attention_forward)
    )
    assert (ours - theirs).abs().max() <= 0.02


def test_a_row_that_sees_nothing_has_no_nan():
    said, *slopes = outcome(attention.attend, parts(), torch.zeros(3, 1, 5, 5, dtype=torch.bool))
    assert all(bool(each.isfinite().all()) for each in (said, *slopes))


@pytest.mark.parametrize("why", ["float32", "too many scores", "dropout"])
def test_torch_attends_elsewhere(why, monkeypatch):
    def refuse(*given):
        raise AssertionError("plain products")

    monkeypatch.setattr(attention, "_by_products", refuse)
    if why == "too many scores":
        monkeypatch.setattr(attention, "LIMIT", 3 * 4 * 5 * 5 - 1)
    dtype = None if why == "float32" else torch.bfloat16
    with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
        rate = 0.1 if why == "dropout" else 0.0
        said, _ = attention.attend(LAYER, *parts(), None, scaling=0.3, dropout=rate)
    assert said.shape == (3, 5, 4, 8)


def test_an_assembled_model_attends_so_and_its_tower_does_not(tiny_vlm: Vlm):
    model = tiny_vlm.model
    assert model.model.language_model.config._attn_implementation == attention.NAME
    assert model.model.vision_tower.config._attn_implementation == "sdpa"
    model.set_attn_implementation("eager")
    attention.use(model)
    assert model.model.language_model.config._attn_implementation == "eager"
