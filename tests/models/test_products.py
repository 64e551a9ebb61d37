"""Products by oneDNN say in float32 what torch's own say."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from haiga.models import products

fast = pytest.mark.skipif(not products._AVX512, reason="this processor has no AVX-512")


def test_by_hand() -> None:
    x, weight = torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.tensor([[1.0, 1.0], [3.0, 0.0]])
    assert products.linear(x, weight, torch.tensor([0.5, 0.0])).tolist() == [[3.5, 3.0], [1.5, 0.0]]
    assert products.linear(x, weight.T).tolist() == [[7.0, 1.0], [3.0, 0.0]]  # a transposed view


@pytest.mark.parametrize("rows", [1, 16, 300])
def test_in_float32_whichever_way_the_weight_lies(rows: int) -> None:
    draw = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(shape, generator=draw) for shape in ((rows, 192), (96, 192)))
    truth = F.linear(x.double(), weight.double())
    for given in (weight, weight.T.contiguous().T):
        found = products.linear(x, given)
        assert found.dtype is torch.float32
        assert float((found - truth).abs().max()) < 1e-4  # a product in bfloat16 is 0.1 off


@fast
@pytest.mark.parametrize(
    ("x", "weight"),
    [
        (torch.ones(2, 3, dtype=torch.float64), torch.ones(4, 3, dtype=torch.float64)),
        (torch.ones(2, 3, dtype=torch.bfloat16), torch.ones(4, 3, dtype=torch.bfloat16)),
        (torch.ones(0, 3), torch.ones(4, 3)),
        (torch.ones(2, 3, device="meta"), torch.ones(4, 3, device="meta")),
    ],
)
def test_all_else_is_torchs(x: torch.Tensor, weight: torch.Tensor) -> None:
    found = products.linear(x, weight)
    assert (found.shape, found.dtype) == ((len(x), 4), x.dtype)


def test_a_layer_keeps_its_graph_where_one_is_asked_for() -> None:
    layer = nn.Linear(5, 3)
    x = torch.randn(2, 4, 5, requires_grad=True)
    products.apply(layer, x).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is not None
    with torch.no_grad():
        torch.testing.assert_close(products.apply(layer, x), layer(x))
        with torch.autocast("cpu", torch.bfloat16):
            assert products.apply(layer, x).dtype is torch.bfloat16
