"""Layers laid out for writing say what they say otherwise, and are put back."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from haiga.models import adapters, laid, lora
from haiga.models.assemble import Vlm
from haiga.models.embeddings import base_of, body_of
from haiga.models.laid import Laid, laid_out

fast = pytest.mark.skipif(not laid.products._AVX512, reason="this processor has no AVX-512")


def hidden(vlm: Vlm) -> Tensor:
    ids = torch.arange(12).view(2, 6)
    return body_of(base_of(vlm.model))(input_ids=ids).last_hidden_state


@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_as_the_layers_say_it(tiny_vlm: Vlm, speaking, adapted: bool, dtype: torch.dtype) -> None:
    vlm = speaking(adapters.attach(tiny_vlm, r=2, alpha=4)) if adapted else tiny_vlm
    base = base_of(vlm.model)
    vlm.model.eval()
    before = list(base.modules())
    with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
        truth = hidden(vlm)
        said = base.get_output_embeddings()(truth)
        with laid_out(base, 12):
            assert sum(isinstance(each, Laid) for each in body_of(base).modules()) == 14
            found = hidden(vlm)
            torch.testing.assert_close(base.get_output_embeddings()(truth), said)
    slack = 1e-5 if dtype is torch.float32 else 0.05
    assert float((found - truth).abs().max()) <= slack * float(truth.abs().max())
    assert all(a is b for a, b in zip(before, base.modules(), strict=True))


@torch.no_grad()
def test_an_adapter_that_is_off_or_drops_out(tiny_vlm: Vlm, speaking) -> None:
    vlm = speaking(adapters.attach(tiny_vlm, r=2, alpha=4, dropout=0.5))
    vlm.model.eval()
    truth = hidden(vlm)
    with laid_out(base_of(vlm.model), 12):
        torch.testing.assert_close(hidden(vlm), truth)
    with vlm.model.disable_adapter():
        off = hidden(vlm)
        with laid_out(base_of(vlm.model), 12):
            torch.testing.assert_close(hidden(vlm), off)
    assert not torch.allclose(off, truth)


@torch.no_grad()
def test_a_large_model_stays_as_it_is(tiny_vlm: Vlm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laid, "LIMIT", 1000)
    base = base_of(tiny_vlm.model)
    with laid_out(base, 4):
        assert not any(isinstance(each, Laid) for each in base.modules())


@torch.no_grad()
def test_a_fault_puts_the_layers_back(tiny_vlm: Vlm) -> None:
    with pytest.raises(ZeroDivisionError), laid_out(base_of(tiny_vlm.model), 4):
        raise ZeroDivisionError
    assert not any(isinstance(each, Laid) for each in tiny_vlm.model.modules())


@fast
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_to_the_bit_in_a_layout_of_its_own(dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(shape, generator=draw).to(dtype) for shape in ((16, 192), (512, 192)))
    own = laid.products.laid_out(weight, 16)
    assert own.is_mkldnn
    found = laid.products.by_laid_out(x, own)
    wanted = laid.products.linear(x, weight)
    if dtype is torch.float32:
        assert torch.equal(found, wanted)
    torch.testing.assert_close(found, wanted)
    assert lora.products.by_laid_out(x, weight).dtype is dtype  # one that is not laid out
