import pytest

from haiga.errors import ModelError
from haiga.models import known
from haiga.planning.parameters import StageShape, plan

ALIGN = StageShape(None, [(".*multi_modal_projector.*", 1e-3), (".*", "frozen")])
SFT = StageShape(
    {"r": 16, "alpha": 32},
    [(".*lora_.*", 2e-4), (".*multi_modal_projector.*", 1e-3), (".*", "frozen")],
)


@pytest.fixture(scope="module")
def haiku():
    tower = known.config("google/siglip-base-patch16-224")
    return plan(tower, known.config("Qwen/Qwen2.5-3B-Instruct"), {"align": ALIGN, "sft": SFT})


def test_the_founding_model(haiku):
    assert haiku.picture_tokens == 196
    # 768 -> 2048 -> 2048 with biases.
    assert haiku.projector == 768 * 2048 + 2048 + 2048 * 2048 + 2048 == 5_771_264
    assert haiku.language_model == 3_085_938_688
    assert haiku.unused_head == 7_087_104
    assert haiku.tower + haiku.unused_head == 92_884_224
    assert haiku.total == 3_207_440_640 - 29_933_568


def test_its_stages(haiku):
    align, sft = haiku.stages
    assert (align.name, align.trainable, align.total) == ("align", 5_771_264, 3_177_507_072)
    assert sft.trainable == 35_704_832
    assert sft.total == 3_207_440_640
    assert sft.total + haiku.unused_head == 3_214_527_744
    assert sft.by_rule == (
        (".*lora_.*", 29_933_568),
        (".*multi_modal_projector.*", 5_771_264),
        (".*", 3_171_735_808),
    )
    # r (in + out) of q, k, v, o, gate, up, down in 36 layers.
    sides = 2 * (2048 + 2048) + 2 * (2048 + 256) + 3 * (2048 + 11008)
    assert 16 * sides * 36 == 29_933_568


def test_a_clip_tower_has_no_head_to_leave_out():
    tower = known.config("openai/clip-vit-large-patch14-336")
    result = plan(tower, known.config("Qwen/Qwen2.5-0.5B-Instruct"), {})
    assert (result.tower, result.unused_head) == (303_507_456, 0)
    assert result.picture_tokens == 576
    assert result.stages == ()


def test_vit_and_gpt2():
    look = StageShape(None, [(".*(crossattention|ln_cross_attn).*", 1e-4), (".*", "frozen")])
    adapted = StageShape({"r": 8, "alpha": 16}, [(".*lora_.*", 1e-4), (".*", "frozen")])
    tower = known.config("google/vit-base-patch16-224-in21k")
    decoder = known.config("openai-community/gpt2")
    counted = plan(tower, decoder, {"look": look, "adapted": adapted}, "cross_attention")
    assert (counted.tower, counted.language_model) == (86_389_248, 124_439_808)
    # In each of 12 layers: a norm, queries, keys and values, and the way out; equal widths.
    layer = 2 * 768 + (768 + 1) * 768 + (768 + 1) * 2 * 768 + (768 + 1) * 768
    assert counted.projector == 12 * layer == 28_366_848
    assert counted.total == 239_195_904
    assert (counted.joint, counted.picture_tokens, counted.unused_head) == ("cross-attention", 0, 0)
    assert counted.stages[0].trainable == 28_366_848
    # r (in + out) of GPT-2's four products.
    sides = (768 + 2304) + (768 + 768) + 2 * (768 + 3072)
    assert counted.stages[1].trainable == 8 * sides * 12


def test_a_tower_of_another_kind_is_no_llavas():
    with pytest.raises(ModelError, match="No vision family is known for model_type 'vit'"):
        plan(
            known.config("google/vit-base-patch16-224-in21k"),
            known.config("Qwen/Qwen2.5-0.5B-Instruct"),
            {},
        )


def test_rules_are_checked_on_paper():
    tower = known.config("google/siglip-base-patch16-224")
    with pytest.raises(ModelError, match="matches no parameter"):
        plan(
            tower,
            known.config("Qwen/Qwen2.5-0.5B-Instruct"),
            {"sft": StageShape(None, SFT.trainable)},
        )
