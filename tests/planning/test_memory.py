"""Bytes by hand, and held to what autograd saves of a real layer."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, Qwen2Config, Qwen2Model
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from haiga.models import lora
from haiga.models.branches import branch_mask
from haiga.planning.memory import (
    FOUR_BITS,
    FOUR_BITS_SINGLE,
    Layers,
    Numbers,
    Parameters,
    Pass,
    Rows,
    fixed,
    head,
    mixed,
    per_position,
    sharded,
    through_layers,
    writing,
)
from haiga.planning.stages import Step, held, most_groups

GB = 1e9
BFLOAT16 = Numbers(kept=2, products=2)
LAYERS = Layers(count=2, width=64, inner=160, heads=4, queries=64, keys=32)
ROWS, POSITIONS = 2, 40


def test_seven_billion_all_trained_in_bfloat16():
    """The guide's 14 + 14 + 56; with its 5 to 20 GB of activations 89 to 104, and 84 with none."""
    book = mixed(7e9)
    assert book == (14 * GB, 14 * GB, 56 * GB, 0)
    assert book.total == 84 * GB
    assert book._replace(activations=20 * GB).total == 104 * GB


def test_eighteen_bytes_a_parameter():
    """Weights in bfloat16 and their originals in float32, float32 gradients, two moments."""
    assert mixed(1, weights=2 + 4, gradients=4).total == 18
    # ZeRO's authors keep gradients in 16 bits.
    assert mixed(1, weights=2 + 4).total == 16
    # haiga keeps no second weights, but autocast's copies live until the way back: 4 + 2, 4, 8.
    full = fixed(Parameters(trained=1, frozen=0), Numbers(kept=4, products=2))
    assert full.total == 16
    through = Pass(Layers(1, 1000, 4000, 1, 1000, 1000), Numbers(4, 2), "all")
    nothing = Rows(count=0, positions=0, learned=0, masked=False)
    assert through_layers(through, nothing)[0] == 2 * through.layers.weights


def test_an_adapter_of_forty_million_over_seven_billion():
    """Weights in bfloat16, the adapter 16 bytes a parameter."""
    adapted = fixed(Parameters(trained=40_000_000, frozen=7_000_000_000), BFLOAT16)
    assert adapted == (14.16 * GB, 0.16 * GB, 0.32 * GB, 0)


def test_four_bits():
    """4 + 8/64 + 32/(64 * 256) = 4.127 bits; the second quantisation saves 0.373 of them, 3 GB of
    65 billion, as QLoRA's authors say."""
    saving = FOUR_BITS_SINGLE - FOUR_BITS
    assert pytest.approx(4.127, abs=5e-4) == 8 * FOUR_BITS
    assert 8 * saving == pytest.approx(0.373, abs=5e-4)
    assert 65 * saving == pytest.approx(3.0, abs=0.04)
    cut = fixed(Parameters(trained=40_000_000, frozen=0, quantised=7_000_000_000), BFLOAT16, True)
    assert cut.weights == pytest.approx((3.611 + 0.16) * GB, rel=1e-3)
    assert cut.optimiser == 0  # in pages


def test_what_is_frozen_keeps_its_dtype_and_what_learns_is_in_float32():
    parts = Parameters(trained=1, frozen=10, whole=100, half=1000)
    assert fixed(parts, Numbers(4, 2)) == (4 + 40 + 400 + 2000, 4, 8, 0)
    assert fixed(parts, Numbers(2, 2)).weights == 4 + 20 + 400 + 2000


@pytest.mark.parametrize(("stage", "total"), [(0, 84), (1, 14 + 14 + 7), (2, 14 + 8.75), (3, 10.5)])
def test_zero_over_eight(stage, total):
    assert sharded(mixed(7e9), 8, stage).total == total * GB


def test_activations_are_each_gpus_own():
    assert sharded(mixed(7e9)._replace(activations=8.0), 8, 3).activations == 8.0


def test_a_position_by_hand():
    """64 wide, 160 within, 4 heads of 16, 2 of them for keys; all in bfloat16, nothing learns."""
    norms = 2 * (4 * 64 + 4)
    attention = 2 * (64 + 32 + 32 + 64) + 4 * 4
    feed_forward = 2 * 3 * 160
    through, rows = Pass(LAYERS, BFLOAT16, "nothing"), Rows(1, 40, 8, masked=False)
    assert per_position(through, rows) == norms + attention + feed_forward == 1880
    # Keys and values for all heads, and 40 numbers of the mask.
    assert per_position(through, replace(rows, masked=True)) == 1880 + 2 * (32 + 32) + 2 * 40
    adapted = Pass(LAYERS, BFLOAT16, "adapter", rank=4)
    # Inputs of q, k, v (one), gate and up (one), down; o's is attention's own. Seven of rank 4.
    assert per_position(adapted, rows) == 1880 + 2 * (64 + 64 + 160) + 2 * 7 * 4


def test_checkpoints_keep_the_layers_inputs():
    rows = Rows(3, 40, 8, masked=False)
    kept, last = through_layers(Pass(LAYERS, BFLOAT16, "nothing", checkpointing=True), rows)
    assert kept == 2 * 120 * 2 * 64
    assert last == 120 * (1880 + 3 * 2 * 160)
    assert through_layers(Pass(LAYERS, BFLOAT16, "nothing"), rows) == (
        2 * 120 * 1880,
        120 * 3 * 2 * 160,
    )


def test_the_head_meets_a_chunk_at_a_time():
    assert head(BFLOAT16, 2048, 151_936, learned=10_000) == 256 * 151_936 * 10
    assert head(BFLOAT16, 2048, 151_936, learned=100) == 100 * 151_936 * 10
    assert head(Numbers(4, 4), 64, 320, learned=100) == 100 * 320 * 8
    assert head(Numbers(4, 2), 64, 320, learned=100) == 100 * 320 * 10 + 2 * 320 * 64
    assert head(BFLOAT16, 64, 320, learned=100, learns=True) == 100 * 320 * 20


def test_a_rollout_keeps_keys_and_values():
    through, rows = Pass(LAYERS, BFLOAT16, "adapter", 4), Rows(3, 40, 8, masked=True)
    assert writing(through, rows, 5, 320) == 2 * 32 * 2 * 2 * 120 + 3 * 5 * 320 * 22


def step(**how) -> Step:
    """A llava of two layers, with a projector that learns and an adapter."""
    parts = Parameters(trained=1000, frozen=5000)
    body = Pass(LAYERS, BFLOAT16, "adapter", rank=4)
    sizes = {"vocabulary": 320, "picture": 16, "question": 4, "answers": 2}
    return Step(parts, BFLOAT16, how.pop("body", body), None, **(sizes | how))


def test_a_step_by_hand():
    """Two groups of 16 + 4 + 2 * 10 positions."""
    found = held(step(), 2, 10)
    position = 1880 + 2 * 64 + 2 * 40 + 2 * (64 + 64 + 160) + 2 * 7 * 4
    # r (in + out) of q and o, k and v, gate, up and down; copies of them in bfloat16.
    adapter = 4 * (2 * 128 + 2 * 96 + 3 * 224)
    ends, logits = 80 * (2 + 4) * 64, 40 * 320 * 10
    assert found[:3] == (14_000, 4000, 8000)
    assert found.activations == 2 * (80 * position + 2 * adapter) + ends + logits
    assert found.total == 26_000 + found.activations


def test_the_projector_keeps_the_places_of_pictures():
    more = held(step(projector=True), 2, 10).activations - held(step(), 2, 10).activations
    assert more == 3 * 64 * 2 * (2 * 16)


def test_where_no_gradient_goes_the_optimisers_roots_are_the_most():
    assert held(step(body=None), 2, 10).activations == 4 * 1000
    assert held(step(body=None, paged=True), 2, 10).activations == 0


def test_a_rollout_may_hold_more_than_learning_from_it():
    body = Pass(LAYERS, BFLOAT16, "adapter", rank=4, checkpointing=True)
    many = step(body=body, vocabulary=100_000, answers=400, written=True)
    assert held(many, 2, 1).activations == writing(body, many.rows(2, 1), 400, 100_000)


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 2e7))
def test_so_many_groups_fit_and_not_one_more(groups, answer, room):
    most = most_groups(step(), groups, answer, room)
    assert most == 0 or held(step(), most, answer).total <= room
    assert most == groups or held(step(), most + 1, answer).total > room


def attend_as_a_gpu_does(module, query, key, value, mask, sliding_window=None, **rest):
    return sdpa_attention_forward(module, query, key, value, mask, **rest)


AttentionInterface.register("as_on_a_gpu", attend_as_a_gpu_does)
AttentionMaskInterface.register("as_on_a_gpu", sdpa_mask)


def saved(count: int, numbers: Numbers, learns: str, masked: bool) -> int:
    """Bytes that autograd saves of so many layers, beside their weights; each storage once."""
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 160, "num_attention_heads": 4}
    config = Qwen2Config(**shape, num_key_value_heads=2, vocab_size=9, num_hidden_layers=count)
    model = Qwen2Model(config)
    model.set_attn_implementation("as_on_a_gpu")
    model.to(torch.bfloat16 if numbers.kept == 2 else torch.float32).requires_grad_(learns == "all")
    if learns == "adapter":
        adapter = LoraConfig(r=4, target_modules=".*_proj")
        adapter._register_custom_module({nn.Linear: lora.Linear})
        model = get_peft_model(model, adapter)
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    noted: list[torch.Tensor] = []
    segments = torch.zeros(ROWS, POSITIONS, dtype=torch.long)
    segments[:, 20:30], segments[:, 30:] = 1, 2
    given = {"attention_mask": branch_mask(segments)} if masked else {}
    embeds = torch.randn(ROWS, POSITIONS, 64, dtype=next(model.parameters()).dtype)

    def note(tensor: torch.Tensor) -> torch.Tensor:
        noted.append(tensor)
        return tensor

    half = numbers.products == 2
    with (
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=half),
    ):
        model.train()(inputs_embeds=embeds.requires_grad_(), use_cache=False, **given)
    storages = {each.untyped_storage().data_ptr(): each.untyped_storage() for each in noted}
    return sum(each.nbytes() for at, each in storages.items() if at not in weights)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("numbers", "learns"),
    [
        (BFLOAT16, "nothing"),
        (BFLOAT16, "adapter"),
        (Numbers(4, 2), "nothing"),
        (Numbers(4, 2), "adapter"),
        (Numbers(4, 2), "all"),
        (Numbers(4, 4), "nothing"),
        (Numbers(4, 4), "adapter"),
        (Numbers(4, 4), "all"),
    ],
)
def test_autograd_saves_what_the_formula_says(numbers, learns, masked):
    """The difference of two layers and one, so that what layers share is left out."""
    through = Pass(LAYERS, numbers, learns, rank=4 if learns == "adapter" else 0)
    kept, _ = through_layers(through, Rows(ROWS, POSITIONS, 0, masked))
    one, two = (saved(count, numbers, learns, masked) for count in (1, 2))
    assert two - one == kept / LAYERS.count
