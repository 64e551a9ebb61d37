"""LoRA's product in one piece says what PEFT's own layer says."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from haiga.models import lora
from haiga.models.assemble import Vlm


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 9), nn.Linear(9, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))


def adapted(in_one_piece: bool, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    config = LoraConfig(r=2, lora_alpha=6, lora_dropout=dropout, target_modules=".*(first|second)")
    if in_one_piece:
        config._register_custom_module({nn.Linear: lora.Linear})
    model = get_peft_model(Two(), config)
    draw = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data.normal_(generator=draw)
    return model


def outcome(model: nn.Module, dtype: torch.dtype | None = None) -> list[Tensor]:
    """What it says, and the gradients of the input and of every factor."""
    x = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(2), requires_grad=True)
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        said = model(x)
    said.float().square().sum().backward()
    return [said, x.grad, *(w.grad for w in model.parameters() if w.requires_grad)]


def count_products(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []
    whole = lora._Product.apply
    monkeypatch.setattr(
        lora._Product, "apply", lambda *given: calls.append(1) or whole(*given), raising=True
    )
    return calls


def test_by_hand() -> None:
    x = torch.tensor([[1.0, 2.0]])
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    a, b = torch.tensor([[1.0, 1.0]], requires_grad=True), torch.tensor([[2.0], [0.0]])
    said = lora._Product.apply(x, weight, a, b.requires_grad_(), torch.tensor([0.5, 0.0]), 10.0)
    # x W = (1, 2), the bias 0.5; x A = 3, times B (2, 0) and 10: 60.
    assert said.tolist() == [[61.5, 2.0]]
    said.sum().backward()
    assert a.grad.tolist() == [[20.0, 40.0]]  # s g B x
    assert b.grad.tolist() == [[30.0], [30.0]]  # s g (x A)


def test_as_peft_in_value_and_gradient() -> None:
    for ours, theirs in zip(outcome(adapted(True)), outcome(adapted(False)), strict=True):
        # Sums in another order: of the largest number, not of those that all but cancel.
        largest = float(theirs.detach().abs().max())
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6 * largest)


def test_as_peft_under_autocast_in_its_precision() -> None:
    pairs = zip(*(outcome(adapted(one), torch.bfloat16) for one in (True, False)), strict=True)
    for ours, theirs in pairs:
        assert ours.dtype == theirs.dtype
        assert (ours - theirs).abs().max() <= 0.02 * theirs.abs().max()


def test_numerical_gradients() -> None:
    draw = torch.Generator().manual_seed(0)
    x, weight, a, b, bias = (
        torch.randn(shape, dtype=torch.float64, generator=draw)
        for shape in ((2, 3, 4), (5, 4), (2, 4), (5, 2), (5,))
    )
    for learns in (x, a, b):
        learns.requires_grad_()
    assert torch.autograd.gradcheck(lora._Product.apply, (x, weight, a, b, bias, 1.5))


def test_what_is_not_plain_is_left_to_peft(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count_products(monkeypatch)
    model = adapted(True)
    x = torch.randn(2, 6)
    plain = model(x)
    assert len(calls) == 2
    with model.disable_adapter():
        assert not torch.allclose(model(x), plain)
    adapted(True, dropout=0.5)(x)
    model.base_model.model.first.base_layer.weight.requires_grad_()
    model.base_model.model.second.base_layer.weight.requires_grad_()
    torch.testing.assert_close(model(x), plain)
    model.merge_adapter()
    torch.testing.assert_close(model(x), plain)
    assert len(calls) == 2


def test_an_attached_adapter_uses_it(tiny_vlm: Vlm) -> None:
    from haiga.models.adapters import attach

    layers = [m for m in attach(tiny_vlm).model.modules() if isinstance(m, lora.lora.Linear)]
    assert layers
    assert all(type(layer) is lora.Linear for layer in layers)
