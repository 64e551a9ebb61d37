import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from haiga.errors import ModelError
from haiga.models import adapters
from haiga.models.trainable import count, parameter_groups, rule_counts


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.tower = nn.Linear(2, 3)  # 9
        self.projector = nn.Linear(3, 4)  # 16
        self.head = nn.Linear(4, 5, bias=False)  # 20


def test_groups_by_hand():
    model = Small()
    rules = [(r"tower\..*", "frozen"), (r".*\.bias", 1e-3), (".*", 2e-5)]
    groups = parameter_groups(model, rules)
    assert [(g["lr"], g["pattern"], g["names"]) for g in groups] == [
        (1e-3, r".*\.bias", ["projector.bias"]),
        (2e-5, ".*", ["projector.weight", "head.weight"]),
    ]
    assert groups[0]["params"][0] is model.projector.bias
    assert not model.tower.bias.requires_grad
    assert count(model) == (36, 45)
    assert rule_counts(model, rules) == [(r"tower\..*", 9), (r".*\.bias", 4), (".*", 32)]
    torch.optim.AdamW(groups)


def test_the_whole_name_must_match():
    with pytest.raises(ModelError, match=r"No rule says whether to train 'tower\.weight'"):
        parameter_groups(Small(), [("tower", 1.0), ("projector.*", 1.0), ("head.*", 1.0)])


def test_frozen_parameters_are_thawed_by_a_later_stage():
    model = Small()
    parameter_groups(model, [(".*", "frozen")])
    assert count(model)[0] == 0
    parameter_groups(model, [(".*", 1e-4)])
    assert count(model) == (45, 45)


def test_a_parameter_without_a_rule_is_named_with_the_rule_to_add():
    model = Small()
    with pytest.raises(ModelError, match=r'"head\.\*", "frozen"'):
        parameter_groups(model, [("tower.*", "frozen"), ("projector.*", 1e-3)])
    assert count(model) == (45, 45), "nothing is changed by a fault"


def test_a_rule_that_matches_nothing():
    with pytest.raises(ModelError, match=r"'\.\*lora.\*' matches no parameter"):
        parameter_groups(Small(), [(".*lora.*", 1e-3), (".*", "frozen")])


def test_a_rate_that_is_never_used():
    with pytest.raises(ModelError, match=r"'head.\*' never applies: '\.\*' and others come before"):
        parameter_groups(Small(), [(".*", "frozen"), ("head.*", 1e-3)])
    # A frozen remainder that is never reached is harmless.
    parameter_groups(Small(), [(".*", 1e-3), (".*", "frozen")])


@pytest.mark.parametrize("rate", [0, -1e-3, "slow", None])
def test_rates_that_are_none(rate):
    with pytest.raises(ModelError, match="learning rate"):
        parameter_groups(Small(), [(".*", rate)])


def test_a_broken_pattern():
    with pytest.raises(ModelError, match=r"'\(' is not a regular expression"):
        parameter_groups(Small(), [("(", 1e-3)])


@given(st.permutations([("tower.*", 1e-3), ("projector.*", "frozen"), (r".*weight", 1e-4)]))
def test_every_parameter_falls_to_exactly_one_rule(rules):
    model = Small()
    rules = [*rules, (".*", "frozen")]
    groups = parameter_groups(model, rules)
    assert sum(number for _, number in rule_counts(model, rules)) == count(model)[1]
    names = [name for group in groups for name in group["names"]]
    assert len(set(names)) == len(names)
    assert sum(p.numel() for g in groups for p in g["params"]) == count(model)[0]


def test_tied_weights_count_once(tiny_vlm):
    names = [name for name, _ in tiny_vlm.model.named_parameters()]
    assert not any("lm_head" in name for name in names)
    assert count(tiny_vlm.model)[1] == sum(p.numel() for p in tiny_vlm.model.parameters())


def test_the_rules_of_a_stage_on_a_model_with_an_adapter(tiny_vlm):
    vlm = adapters.attach(tiny_vlm, r=2)
    rules = [(".*lora_.*", 2e-4), (".*multi_modal_projector.*", 1e-3), (".*", "frozen")]
    lora, projector = parameter_groups(vlm.model, rules)
    # Width 64, keys and values 32, MLP 128; r (in + out) for each of seven modules in two layers.
    per_layer = 2 * ((64 + 64) * 2 + (64 + 32) * 2 + (64 + 128) * 3)
    assert sum(p.numel() for p in lora["params"]) == 2 * per_layer
    # 32 -> 64 -> 64 with biases.
    assert sum(p.numel() for p in projector["params"]) == 32 * 64 + 64 + 64 * 64 + 64
    assert not any("vision_tower" in name for name in lora["names"])
