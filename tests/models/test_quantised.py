"""Four bits under an adapter, by bitsandbytes, which also runs on a CPU. It is an extra: without it
only the rules are tested, and `pip install bitsandbytes` tests the rest."""

import pytest
import torch
from PIL import Image
from torch import nn

import tiny
from haiga.batches.groups import collate
from haiga.batches.render import render
from haiga.errors import ModelError
from haiga.models import adapters
from haiga.models.assemble import assemble
from haiga.models.branches import compare, token_logps
from haiga.models.embeddings import tower_features
from haiga.models.fit import pixels
from haiga.models.quantised import in_float32, quantise, refuse_training
from haiga.models.trainable import count, parameter_groups
from haiga.recipe.schema import Quantised
from haiga.records import IMAGE, Answer, Group, Picture, assistant, user
from haiga.training import guards
from haiga.training.references import model_key

RULES = [(".*lora_.*", 1e-3), (".*multi_modal_projector.*", 1e-3), (".*", "frozen")]


@pytest.fixture
def cut(tiny_vlm):
    """Quantised, and an adapter on it."""
    pytest.importorskip("bitsandbytes")
    quantise(tiny_vlm.model, Quantised(compute_dtype="float32"))
    opened = adapters.attach(tiny_vlm, r=2, alpha=4)
    parameter_groups(opened.model, RULES)
    return opened


def batch(vlm):
    group = Group(
        id="g",
        prompt=(user(IMAGE, "what?"),),
        answers=tuple(Answer((assistant(text),)) for text in ("the crane", "the old pond")),
        pictures=(Picture("p"),),
        task="haiku",
    )
    made = collate([render(vlm.processor, group, vlm.picture_tokens)], 0)
    view = pixels(vlm.processor.image_processor, [Image.new("RGB", (60, 30), "red")])
    with torch.no_grad():
        return made, tower_features(vlm.model, view)


def logps(vlm):
    return token_logps(vlm.model, *batch(vlm))


def quantised_layers(vlm):
    return {n: m for n, m in vlm.model.named_modules() if hasattr(m, "quant_state")}


def test_the_language_models_linear_layers_and_nothing_else(cut):
    assert len(quantised_layers(cut)) == 2 * 7
    assert all(".language_model.layers." in name for name in quantised_layers(cut))
    base = cut.model.get_base_model()
    assert {p.dtype for p in base.model.vision_tower.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in base.model.multi_modal_projector.parameters()} == {torch.float32}
    trained = [(n, p.dtype) for n, p in cut.model.named_parameters() if p.requires_grad]
    assert len(trained) == 2 * 14 + 4
    assert {dtype for _, dtype in trained} == {torch.float32}
    assert type(base.lm_head) is nn.Linear


def test_weights_are_those_of_sixteen_levels_for_every_64(tiny_vlm):
    bnb = pytest.importorskip("bitsandbytes")
    layer = tiny_vlm.model.model.language_model.layers[0].mlp.up_proj
    whole = layer.weight.detach().clone()
    quantise(tiny_vlm.model, Quantised(double=False))
    made = tiny_vlm.model.model.language_model.layers[0].mlp.up_proj
    assert made.weight.numel() == whole.numel() / 2
    found = bnb.functional.dequantize_4bit(made.weight.data, made.weight.quant_state)
    blocks = found.reshape(-1, 64)
    scale = whole.reshape(-1, 64).abs().amax(1, keepdim=True)
    assert len((blocks / scale).mul(1e4).round().unique()) <= 16
    # The widest gap of NF4's levels is 0.304, between -1 and -0.696.
    assert ((blocks - whole.reshape(-1, 64)).abs() <= 0.153 * scale).all()


def test_counts_are_of_weights_and_not_of_bytes(tiny_vlm):
    pytest.importorskip("bitsandbytes")
    before = count(tiny_vlm.model)[1]
    quantise(tiny_vlm.model, Quantised())
    assert count(tiny_vlm.model)[1] == before
    assert sum(p.numel() for p in tiny_vlm.model.parameters()) < before


def test_a_fresh_adapter_is_its_own_reference_and_learns(cut):
    before = logps(cut).detach()
    with cut.model.disable_adapter():
        assert torch.equal(logps(cut), before)
    (-logps(cut).sum()).backward()
    learned = {n: p for n, p in cut.model.named_parameters() if p.requires_grad}
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learned.values())
    assert any(float(p.grad.abs().max()) > 0 for n, p in learned.items() if "lora_B" in n)
    assert any(float(p.grad.abs().max()) > 0 for n, p in learned.items() if "projector" in n)
    assert not any(p.grad is not None for n, p in cut.model.named_parameters() if n not in learned)


def test_the_shared_prefix_is_compared_in_float32(tiny_vlm):
    pytest.importorskip("bitsandbytes")
    quantise(tiny_vlm.model, Quantised(compute_dtype="bfloat16"))
    opened = adapters.attach(tiny_vlm, r=2, alpha=4)
    parameter_groups(opened.model, RULES)
    before = guards.digests(opened.model, trained=False)
    coarse = logps(opened).detach()
    with in_float32(opened.model):
        assert compare(opened.model, *batch(opened)) < 1e-4
        assert not torch.equal(logps(opened), coarse)
    assert torch.equal(logps(opened), coarse)
    guards.frozen_stays_frozen(opened.model, before)


def test_what_is_saved_stands_on_the_whole_weights(cut, tmp_path):
    base, stage = tmp_path / "base", tmp_path / "stage"
    tower, language = tmp_path / "tower", tmp_path / "lm"
    adapters.save_base(assemble(tiny.tiny_tower(tower), tiny.tiny_language_model(language)), base)
    for name, weight in cut.model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.1)
    adapters.save(cut, stage, base)
    again = adapters.load_stage(stage)
    assert not quantised_layers(again)
    whole = adapters.load_stage(base)
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    own = dict(cut.model.named_parameters())
    stem = "base_model.model.model.language_model.layers.0.mlp.up_proj.lora_"
    added = own[f"{stem}B.default.weight"] @ own[f"{stem}A.default.weight"] * (4 / 2)
    torch.testing.assert_close(
        dict(again.model.named_parameters())[name],
        dict(whole.model.named_parameters())[name] + added,
    )


def test_references_are_known_by_the_quantised_weights(tiny_vlm):
    pytest.importorskip("bitsandbytes")
    whole = model_key(tiny_vlm.model, "float32")
    quantise(tiny_vlm.model, Quantised())
    cut = model_key(tiny_vlm.model, "float32")
    assert cut != whole
    assert model_key(adapters.attach(tiny_vlm, r=2, alpha=4).model, "float32") == cut


@pytest.mark.parametrize("pattern", [".*vision_tower.*", ".*embed_tokens.*", ".*mlp.*weight"])
def test_nothing_in_low_precision_is_trained(tiny_vlm, pattern):
    opened = adapters.attach(tiny_vlm, r=2, alpha=4)
    parameter_groups(opened.model, RULES)
    refuse_training(opened.model)
    parameter_groups(opened.model, [(".*lora_.*", 1e-3), (pattern, 1e-4), (".*", "frozen")])
    with pytest.raises(ModelError, match="freeze it"):
        refuse_training(opened.model)
