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


def test_rules_are_checked_on_paper():
    tower = known.config("google/siglip-base-patch16-224")
    with pytest.raises(ModelError, match="matches no parameter"):
        plan(
            tower,
            known.config("Qwen/Qwen2.5-0.5B-Instruct"),
            {"sft": StageShape(None, SFT.trainable)},
        )
