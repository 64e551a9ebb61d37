import json

import pytest
import torch
from torch import nn

from elsewhere import DEVICE, elsewhere
from haiga.errors import TrainingError
from haiga.training import checkpoint
from haiga.training.optimiser import adamw, follow_schedule
from haiga.training.settings import Settings

SETTINGS = Settings(steps=10, weight_decay=0.1)


def trained(seed: int, steps: int):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    model[0].weight.requires_grad_(False)
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = [{"params": [p for _, p in named], "names": [n for n, _ in named], "lr": 0.1}]
    optimiser = adamw(groups, SETTINGS)
    for _ in range(steps):
        model(torch.randn(5, 3)).square().sum().backward()
        optimiser.step()
        optimiser.zero_grad()
    return model, optimiser


def test_a_state_comes_back_to_the_bit(tmp_path):
    model, optimiser = trained(0, 3)
    checkpoint.save(tmp_path, 3, model, optimiser, {"a": 1}, {"train": [0.1]})
    other, empty = trained(0, 0)
    place = checkpoint.latest(tmp_path)
    assert checkpoint.load(place, other, empty, {"a": 1}) == (3, {"train": [0.1]})
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert optimiser.state.get(mine, {}).keys() == empty.state.get(theirs, {}).keys()
        for key, value in optimiser.state.get(mine, {}).items():
            assert torch.equal(value, empty.state[theirs][key]), key


def test_moments_come_back_where_their_parameters_are(tmp_path):
    def made():
        model = nn.Linear(3, 1).to(DEVICE)
        model.scale = nn.Parameter(torch.tensor(1.0).to(DEVICE))
        named = list(model.named_parameters())
        params, names = [p for _, p in named], [n for n, _ in named]
        return model, adamw([{"params": params, "names": names, "lr": 0.1}], SETTINGS)

    with elsewhere():
        model, optimiser = made()
        (model(torch.ones(2, 3).to(DEVICE)).sum() * model.scale).backward()
        optimiser.step()
        place = checkpoint.save(tmp_path, 1, model, optimiser, {}, {})
        model, optimiser = made()
        checkpoint.load(place, model, optimiser, {})
        for name, parameter in model.named_parameters():
            state = optimiser.state[parameter]
            assert {state[key].device for key in ("exp_avg", "exp_avg_sq")} == {DEVICE}, name
            assert state["step"].device.type == "cpu"


def test_frozen_weights_are_not_saved_and_nothing_is_pickled(tmp_path):
    model, optimiser = trained(0, 1)
    place = checkpoint.save(tmp_path, 1, model, optimiser, {}, {})
    assert sorted(path.name for path in place.iterdir()) == ["state.json", "tensors.safetensors"]
    names = checkpoint.learnt(model)
    assert "0.weight" not in names
    assert "1.running_mean" in names
    json.loads((place / "state.json").read_text())


def test_two_are_kept_and_half_written_ones_are_not_seen(tmp_path):
    model, optimiser = trained(0, 1)
    for step in (2, 4, 10):
        checkpoint.save(tmp_path, step, model, optimiser, {}, {})
    (tmp_path / ".partial").mkdir()
    assert sorted(p.name for p in tmp_path.glob("step-*")) == ["step-00000004", "step-00000010"]
    assert checkpoint.latest(tmp_path).name == "step-00000010"
    checkpoint.save(tmp_path, 12, model, optimiser, {}, {})
    assert not (tmp_path / ".partial").exists()
    assert checkpoint.latest(tmp_path / "nowhere") is None


def test_another_model_is_refused(tmp_path):
    model, optimiser = trained(0, 1)
    place = checkpoint.save(tmp_path, 1, model, optimiser, {}, {})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model[2] = nn.Linear(4, 2)
    with pytest.raises(TrainingError, match=r"another model: 2 .* the first is 2\.bias"):
        checkpoint.load(place, model, optimiser, {})
    assert torch.equal(model.state_dict()["0.bias"], before["0.bias"])


def test_other_settings_are_named(tmp_path):
    model, optimiser = trained(0, 1)
    place = checkpoint.save(tmp_path, 1, model, optimiser, {"betas": (0.9, 0.95)}, {})
    checkpoint.load(place, model, optimiser, {"betas": (0.9, 0.95)})
    with pytest.raises(TrainingError, match="betas"):
        checkpoint.load(place, model, optimiser, {"betas": (0.9, 0.999)})


def test_only_matrices_decay_and_every_group_follows_its_own_peak():
    layer, slow = nn.Linear(2, 2), nn.Linear(2, 2, bias=False)
    groups = [
        {"params": [layer.weight, layer.bias], "names": ["weight", "bias"], "lr": 1e-3},
        {"params": [slow.weight], "names": ["slow"], "lr": 1e-4},
    ]
    settings = Settings(steps=100, warmup_share=0.1, weight_decay=0.1)
    optimiser = adamw(groups, settings)
    decays = {group["names"][0]: group["weight_decay"] for group in optimiser.param_groups}
    assert decays == {"weight": 0.1, "bias": 0.0, "slow": 0.1}
    assert follow_schedule(optimiser, 4, settings) == pytest.approx(5e-4)
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([5e-4, 5e-4, 5e-5])
