"""The accelerator that is not there, of which other tests make use."""

import pytest
import torch
from torch import nn

from elsewhere import DEVICE, MixedError, elsewhere


def test_tensors_here_and_there_do_not_meet():
    with elsewhere():
        layer, rows = nn.Linear(3, 4).to(DEVICE), torch.ones(2, 3)
        assert layer.weight.device == DEVICE
        with pytest.raises(MixedError, match="addmm"):
            layer(rows)
        out = layer(rows.to(DEVICE))
        out.sum().backward()
        made = [out, out[0], out.detach() * 2, layer.weight.grad, out.new_zeros(2)]
        made += [torch.arange(2, device=out.device), out[torch.tensor([1])]]
        assert {each.device for each in made} == {DEVICE}
        assert {each.device.type for each in (out.cpu(), rows, torch.zeros(2))} == {"cpu"}
        with pytest.raises(MixedError, match="numpy"):
            out.detach().numpy()
        with pytest.raises(MixedError, match="index"):
            rows[torch.tensor([1], device=DEVICE)]


def test_a_generator_draws_where_it_is():
    with elsewhere():
        there = torch.Generator(device=DEVICE)
        there.manual_seed(1)
        assert torch.multinomial(torch.ones(4).to(DEVICE), 1, generator=there).device == DEVICE
        with pytest.raises(MixedError, match="generator"):
            torch.randn(2, generator=there)
        with pytest.raises(MixedError, match="generator"):
            torch.empty(2).to(DEVICE).normal_(generator=torch.Generator())


def test_numbers_and_indices_may_come_from_the_cpu():
    with elsewhere():
        there = torch.ones(2, 3).to(DEVICE)
        assert (there * torch.tensor(2.0)).device == DEVICE
        here = torch.zeros(2, 3)
        here.copy_(there)
        assert here.device.type == "cpu"
        assert here.sum() == 6
