"""The shared-prefix forward gives what the unmodified model gives, a plain sequence at a time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    Qwen2ForCausalLM,
)

from haiga.batches.groups import GroupBatch, collate
from haiga.batches.render import Branch, Rendered
from haiga.errors import ModelError, PlaceholderError
from haiga.models.branches import (
    branch_mask,
    compare,
    hidden_states,
    plain_logps,
    token_logps,
    unshared,
    why_unshared,
)
from haiga.models.embeddings import tower_features
from tiny import PATCHES, tiny_language_model, tiny_tower

IMAGE_ID = 263
TURNS = [(3, True), (4, False), (2, True)]
"""Assistant, user, assistant."""
FAMILIES = {"siglip": ("full", -1), "clip": ("default", -2)}


def llava(folder: Path, family: str) -> LlavaForConditionalGeneration:
    tower = AutoConfig.from_pretrained(tiny_tower(folder / family, family))
    text = AutoConfig.from_pretrained(tiny_language_model(folder / "lm"))
    strategy, layer = FAMILIES[family]
    torch.manual_seed(2)
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=tower,
            text_config=text,
            image_token_index=IMAGE_ID,
            vision_feature_select_strategy=strategy,
            vision_feature_layer=layer,
        )
    )
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(std=0.1)
    return model.eval()


def language_model(folder: Path) -> Qwen2ForCausalLM:
    return Qwen2ForCausalLM.from_pretrained(tiny_language_model(folder / "lm")).eval()


def with_lora(model: nn.Module) -> nn.Module:
    """LoRA on the language model, the projector open, nothing at zero."""
    pattern = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=pattern, lora_dropout=0.0))
    torch.manual_seed(3)
    for name, weight in adapted.named_parameters():
        if "lora_" in name:
            nn.init.normal_(weight, std=0.1)
        if "multi_modal_projector" in name:
            weight.requires_grad_(True)
    return adapted.eval()


def words(generator: torch.Generator, count: int) -> list[int]:
    return torch.randint(0, 256, (count,), generator=generator).tolist()


def row(
    id: str, pictures: int, answers: list[list[tuple[int, bool]]], generator: torch.Generator
) -> Rendered:
    """Pictures among words; an answer is turns of (length, learned)."""
    prefix = words(generator, 3)
    for _ in range(pictures):
        prefix += [IMAGE_ID] * PATCHES + words(generator, 2)
    branches = []
    for turns in answers:
        ids = [id for length, _ in turns for id in words(generator, length)]
        learn = [learned for length, learned in turns for _ in range(length)]
        branches.append(Branch(tuple(ids), tuple(learn)))
    names = tuple(f"{id}-{k}" for k in range(pictures))
    return Rendered(id, tuple(prefix), tuple(branches), ("chosen",) * len(answers), names)


def ragged(pictures: bool) -> GroupBatch:
    """K of 2, 1 and 3; none, one and two pictures; one answer of several turns."""
    generator = torch.Generator().manual_seed(0)
    rows = [
        row("a", int(pictures), [[(5, True), (1, False)], [(9, True)]], generator),
        row("b", 0, [[(4, True)]], generator),
        row("c", 2 * pictures, [TURNS, [(1, True)], [(7, True)]], generator),
    ]
    return collate(rows, pad_id=0)


def pixels(count: int) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(4))


# ------------------------------------------------------------------------------------- the mask


def reference(segments: list[int]) -> Tensor:
    """Each branch cut out of the row, masked causally, and put back."""
    size = len(segments)
    seen = torch.eye(size, dtype=torch.bool)
    for branch in {0, *segments} - {-1}:
        places = [at for at, each in enumerate(segments) if each in (0, branch)]
        for rank, query in enumerate(places):
            for key in places[: rank + 1]:
                seen[query, key] = True
    return seen


@given(st.integers(1, 5), st.lists(st.integers(1, 4), max_size=4), st.integers(0, 3))
def test_mask_is_causal_in_every_branch(prefix: int, lengths: list[int], padding: int) -> None:
    answers = [k + 1 for k, length in enumerate(lengths) for _ in range(length)]
    segments = [0] * prefix + answers + [-1] * padding
    mask = branch_mask(torch.tensor([segments]))
    assert mask.shape == (1, 1, len(segments), len(segments))
    assert torch.equal(mask[0, 0], reference(segments))


def test_mask_by_hand() -> None:
    mask = branch_mask(torch.tensor([[0, 1, 2, -1]]))[0, 0].int().tolist()
    assert mask == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]


# ------------------------------------------------------------------------------------ exactness


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("attention", ["sdpa", "eager", "products_on_cpu"])
def test_equal_to_plain_passes(tmp_path: Path, family: str, attention: str) -> None:
    model = with_lora(llava(tmp_path, family))
    model.set_attn_implementation(attention)
    batch, images = ragged(pictures=True), pixels(3)
    features = tower_features(model, images)
    assert features.shape[:2] == (3, PATCHES)
    with torch.no_grad():
        truth = plain_logps(model, batch, pixel_values=images)
        assert len(truth) == len(batch.targets) == 31
        assert (token_logps(model, batch, features, chunk=7) - truth).abs().max() <= 1e-5
        assert (token_logps(model, batch, pixel_values=images) - truth).abs().max() <= 1e-5
        some = plain_logps(model, batch, pixel_values=images, answers=2)
        assert 0 < len(some) == int((batch.answer_of < 2).sum()) < 31
        torch.testing.assert_close(some, truth[: len(some)], rtol=0, atol=0)
    assert compare(model, batch, features, pixel_values=images) <= 1e-5
    assert compare(model, batch, features) <= 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_equal_to_plain_passes(tmp_path: Path, family: str) -> None:
    model = with_lora(llava(tmp_path, family))
    batch, images = ragged(pictures=True), pixels(3)
    weights = torch.linspace(-1, 2, len(batch.targets))
    found = []
    for logps in (
        token_logps(model, batch, tower_features(model, images), chunk=5),
        plain_logps(model, batch, pixel_values=images),
    ):
        model.zero_grad()
        (logps * weights).sum().backward()
        found.append({n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad})
    fast, slow = found
    assert any("lora_A" in name for name in slow)
    assert any("multi_modal_projector" in name for name in slow)
    for name, grad in slow.items():
        assert (fast[name] - grad).norm() <= 1e-5 * grad.norm(), name
        assert grad.norm() > 0, name


def test_tower_learns_through_pixels(tmp_path: Path) -> None:
    model = llava(tmp_path, "siglip")
    batch, images = ragged(pictures=True), pixels(3)
    name = "model.vision_tower.encoder.layers.0.mlp.fc1.weight"
    found = []
    for logps in (
        token_logps(model, batch, pixel_values=images),
        plain_logps(model, batch, pixel_values=images),
    ):
        model.zero_grad()
        logps.sum().backward()
        found.append(dict(model.named_parameters())[name].grad.clone())
    assert (found[0] - found[1]).norm() <= 1e-5 * found[1].norm()


def test_text_only_groups(tmp_path: Path) -> None:
    batch = ragged(pictures=False)
    for model in (language_model(tmp_path), llava(tmp_path, "siglip")):
        with torch.no_grad():
            truth = plain_logps(model, batch)
            assert (token_logps(model, batch) - truth).abs().max() <= 1e-5


def test_unshared_rows_give_the_same(tmp_path: Path) -> None:
    model = llava(tmp_path, "siglip")
    batch, features = ragged(pictures=True), torch.randn(3, PATCHES, 32)
    rows, pictures = unshared(dataclasses.replace(batch, features=features))
    assert rows.features is not None
    assert torch.equal(rows.features, features[pictures])
    assert pictures.tolist() == [0, 0, 1, 2, 1, 2, 1, 2]
    assert rows.group_of.tolist() == [0, 1, 2, 3, 4, 5]
    assert int(rows.segments.max()) == 1
    with torch.no_grad():
        shared = token_logps(model, batch, features)
        apart = token_logps(model, rows, features[pictures])
    assert (shared - apart).abs().max() <= 1e-5
    ends = rows.input_ids.flatten()[rows.ends]
    assert torch.equal(ends, batch.input_ids.flatten()[batch.ends])


def test_a_sibling_changes_nothing(tmp_path: Path) -> None:
    """The log-probs of one answer do not depend on what hangs beside it."""
    model = language_model(tmp_path)
    generator = torch.Generator().manual_seed(1)
    both = row("a", 0, [[(4, True)], [(4, True)]], generator)
    other = Branch(tuple(words(generator, 6)), (True,) * 6)
    swapped = dataclasses.replace(both, answers=(both.answers[0], other))
    with torch.no_grad():
        first = token_logps(model, collate([both], 0))[:4]
        again = token_logps(model, collate([swapped], 0))[:4]
    assert (first - again).abs().max() <= 1e-6


def test_compare_sees_a_stale_feature(tmp_path: Path) -> None:
    model, batch, images = llava(tmp_path, "siglip"), ragged(pictures=True), pixels(3)
    stale = tower_features(model, images).flip(0)
    assert compare(model, batch, stale, pixel_values=images) > 1e-3


def test_compare_restores_training(tmp_path: Path) -> None:
    model = language_model(tmp_path).train()
    compare(model, ragged(pictures=False))
    assert model.training


def test_projector_in_full_precision(tmp_path: Path) -> None:
    model = llava(tmp_path, "siglip").bfloat16()
    model.model.multi_modal_projector.float()
    batch, images = ragged(pictures=True), pixels(3).bfloat16()
    with torch.no_grad():
        logps = token_logps(model, batch, pixel_values=images)
    assert logps.dtype == torch.float32
    assert compare(model, batch, pixel_values=images) < 0.3


# ------------------------------------------------------------------------------------ refusals


def test_totals_that_agree_by_chance(tmp_path: Path) -> None:
    """15 and 17 places for 16 + 16 features: equal in all, wrong in each."""
    model = llava(tmp_path, "siglip")
    answer = (Branch((1, 2), (True, True)),)
    rows = [
        Rendered("short", (IMAGE_ID,) * 15, answer, ("chosen",), ("p",)),
        Rendered("long", (IMAGE_ID,) * 17, answer, ("chosen",), ("q",)),
    ]
    with pytest.raises(PlaceholderError, match="Row short: 15 picture places"):
        token_logps(model, collate(rows, 0), torch.zeros(2, 16, 32))


def test_missing_features(tmp_path: Path) -> None:
    with pytest.raises(PlaceholderError, match="3 pictures and the features of 0"):
        token_logps(llava(tmp_path, "siglip"), ragged(pictures=True))


def test_models_that_cannot_share(tmp_path: Path) -> None:
    model = language_model(tmp_path)
    assert why_unshared(model) is None
    model.config.layer_types = ["full_attention", "sliding_attention"]
    assert why_unshared(model) == "it has layers of sliding_attention"
    with pytest.raises(ModelError, match="sliding_attention"):
        hidden_states(model, ragged(pictures=False))
    model.config.layer_types = ["full_attention"] * 2
    model.config._attn_implementation = "flash_attention_2"
    assert "takes no mask" in str(why_unshared(model))
