"""The same model in fewer bits: what changes, and what does not."""

import typing

import pytest
import torch

from haiga.errors import ModelError
from haiga.models import variants
from haiga.recipe.values import Lighter


def test_the_recipe_knows_the_table():
    kinds = typing.get_args(typing.get_args(typing.get_args(Lighter)[0])[0])
    assert set(kinds) == set(variants.VARIANTS)


def test_sixteen_bits_are_half_the_room_but_for_the_projector(tiny_vlm):
    projector = tiny_vlm.model.model.multi_modal_projector
    fixed = variants.size(projector)
    before = variants.size(tiny_vlm.model)
    variants.in_fewer_bits(tiny_vlm.model, "bfloat16")
    assert variants.size(tiny_vlm.model) == fixed + (before - fixed) // 2
    assert {p.dtype for p in projector.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", variants.CUT)
def test_without_bitsandbytes_the_reason_is_said(tiny_vlm, monkeypatch, name):
    monkeypatch.setattr(variants, "find_spec", lambda module: None)
    with pytest.raises(ModelError, match="bitsandbytes, which is not installed"):
        variants.in_fewer_bits(tiny_vlm.model, name)


def test_each_half_is_cut_by_itself(tiny_vlm):
    bnb = pytest.importorskip("bitsandbytes")
    variants.in_fewer_bits(tiny_vlm.model, "int8_tower")
    tower, language = tiny_vlm.model.model.vision_tower, tiny_vlm.model.model.language_model
    cut = [each for each in tower.modules() if isinstance(each, bnb.nn.Linear8bitLt)]
    assert cut
    assert not any(isinstance(each, bnb.nn.Linear8bitLt) for each in language.modules())
    variants.in_fewer_bits(tiny_vlm.model, "int4_language_model")
    assert any(isinstance(each, bnb.nn.Linear4bit) for each in language.modules())
    assert not any(isinstance(each, bnb.nn.Linear4bit) for each in tower.modules())
