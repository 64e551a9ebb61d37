import json
import shutil

import pytest
import torch
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

from haiga.errors import ModelError
from haiga.models import adapters
from haiga.models.assemble import assemble
from haiga.models.trainable import count, parameter_groups

PICTURE = Image.new("RGB", (60, 30), "red")


def _logits(vlm):
    inputs = vlm.processor(text=["<|image_pad|>the crane"], images=[PICTURE], return_tensors="pt")
    with torch.no_grad():
        return vlm.model.eval()(**inputs).logits


@pytest.fixture
def base(tiny_vlm, tmp_path):
    adapters.save_base(tiny_vlm, tmp_path / "base")
    return tmp_path / "base"


def test_a_new_adapter_changes_nothing(tiny_vlm):
    before = _logits(tiny_vlm)
    vlm = adapters.attach(tiny_vlm, r=4, alpha=8)
    assert torch.equal(_logits(vlm), before)
    assert vlm.processor is tiny_vlm.processor


def test_trap_the_tower_is_not_adapted(tiny_vlm):
    vlm = adapters.attach(tiny_vlm, r=4)
    names = [name for name, _ in vlm.model.named_parameters() if "lora_" in name]
    assert len(names) == 2 * 7 * 2
    assert all("language_model" in name for name in names)
    short = adapters.attach(vlm, r=4, targets=r".*(q_proj|v_proj)")
    assert any(
        "vision_tower" in name for name, _ in short.model.named_parameters() if "lora" in name
    )


def test_the_seed_decides_the_start_and_leaves_the_global_state(siglip_tower, tiny_lm):
    def start(seed):
        torch.manual_seed(5)
        vlm = adapters.attach(assemble(siglip_tower, tiny_lm), r=2, seed=seed)
        weight = next(p for n, p in vlm.model.named_parameters() if "lora_A" in n)
        return weight, torch.rand(1)

    (a, after_a), (b, _), (c, after_c) = start(1), start(1), start(2)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(after_a, after_c)


def test_targets_that_fit_nothing(tiny_vlm):
    with pytest.raises(ModelError, match="No adapter fits on 'nothing'"):
        adapters.attach(tiny_vlm, targets="nothing")


def test_merging_keeps_what_the_model_says(tiny_vlm, speaking):
    before = _logits(tiny_vlm)
    vlm = speaking(adapters.attach(tiny_vlm, r=4))
    adapted = _logits(vlm)
    assert not torch.allclose(adapted, before)
    with vlm.model.disable_adapter():
        assert torch.equal(_logits(vlm), before)
    merged = adapters.merge(vlm)
    assert not isinstance(merged.model, PeftModel)
    assert torch.allclose(_logits(merged), adapted, atol=1e-4)
    assert adapters.merge(merged) is merged


def test_a_second_adapter_starts_from_the_merged_first(tiny_vlm, speaking):
    first = speaking(adapters.attach(tiny_vlm, r=4))
    adapted = _logits(first)
    second = adapters.attach(first, r=2)
    assert torch.allclose(_logits(second), adapted, atol=1e-4)
    with speaking(second).model.disable_adapter():
        # The reference of a preference stage is the model that the stage starts from.
        assert torch.allclose(_logits(second), adapted, atol=1e-4)


def test_an_adapter_that_cannot_be_merged(tiny_vlm, speaking):
    vlm = speaking(adapters.attach(tiny_vlm, r=4))
    next(p for n, p in vlm.model.named_parameters() if "lora_B" in n).data.fill_(float("nan"))
    with pytest.raises(ModelError, match="cannot be merged"):
        adapters.merge(vlm)


def test_save_and_load_are_exact(base, tmp_path, speaking):
    vlm = speaking(adapters.attach(adapters.load_stage(base), r=4, alpha=8))
    with torch.no_grad():
        vlm.model.get_base_model().model.multi_modal_projector.linear_2.bias.add_(0.25)
    expected = _logits(vlm)
    adapters.save(vlm, tmp_path / "sft")
    again = adapters.load(tmp_path / "sft", adapters.load_stage(base))
    assert torch.equal(_logits(again), expected)
    assert isinstance(again.model, PeftModel)
    assert torch.allclose(_logits(adapters.load_stage(tmp_path / "sft")), expected, atol=1e-4)
    assert sorted(path.name for path in (tmp_path / "sft").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "base.json",
        "projector.safetensors",
    ]


def test_trap_an_adapter_has_the_size_of_an_adapter(base, tmp_path):
    vlm = adapters.attach(adapters.load_stage(base), r=2)
    adapters.save(vlm, tmp_path / "sft")
    file = tmp_path / "sft" / "adapter_model.safetensors"
    lora = sum(p.numel() for n, p in vlm.model.named_parameters() if "lora_" in n)
    # Four bytes a number and a header of names; the embedding alone would add 81,920 bytes.
    assert 4 * lora <= file.stat().st_size <= 4 * lora + 8_000
    assert all("lora_" in name for name in load_file(file))
    assert not any("embed" in name or "lm_head" in name for name in load_file(file))


def test_the_adapter_is_a_standard_peft_adapter(base, tmp_path, speaking):
    vlm = speaking(adapters.attach(adapters.load_stage(base), r=4))
    expected = _logits(vlm)
    adapters.save(vlm, tmp_path / "sft")
    plain = AutoModelForImageTextToText.from_pretrained(base)
    plain = PeftModel.from_pretrained(plain, tmp_path / "sft").eval()
    inputs = vlm.processor(text=["<|image_pad|>the crane"], images=[PICTURE], return_tensors="pt")
    with torch.no_grad():  # PEFT's own layers leave products to torch's library
        torch.testing.assert_close(plain(**inputs).logits, expected, atol=1e-5, rtol=1e-5)
    config = json.loads((tmp_path / "sft" / "adapter_config.json").read_text())
    assert config["inference_mode"] is True
    assert config["modules_to_save"] is None, "vLLM takes no adapter with modules_to_save"
    assert str(tmp_path) not in json.dumps(config)


def test_a_chain_of_stages_survives_a_move(base, tmp_path, speaking):
    align = adapters.load_stage(base)
    parameter_groups(align.model, [(".*multi_modal_projector.*", 1e-3), (".*", "frozen")])
    with torch.no_grad():
        align.model.model.multi_modal_projector.linear_1.weight.mul_(1.5)
    adapters.save(align, tmp_path / "stages" / "align" / "model")

    sft = adapters.attach(adapters.load_stage(tmp_path / "stages/align/model"), r=4, seed=1)
    adapters.save(speaking(sft, 1), tmp_path / "stages" / "sft" / "model")

    kto = adapters.attach(adapters.load_stage(tmp_path / "stages/sft/model"), r=2, seed=2)
    expected = _logits(speaking(kto, 2))
    adapters.save(kto, tmp_path / "stages" / "kto" / "model")

    assert json.loads((tmp_path / "stages/kto/model/base.json").read_text()) == {
        "base": "../../sft/model"
    }
    assert json.loads((tmp_path / "stages/align/model/base.json").read_text()) == {
        "base": "../../../base"
    }
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.move(base, moved / "base")
    shutil.move(tmp_path / "stages", moved / "stages")
    again = adapters.load_stage(moved / "stages" / "kto" / "model")
    assert torch.allclose(_logits(again), expected, atol=1e-4)
    assert again.origin == moved / "stages" / "kto" / "model"
    assert count(again.model)[0] == count(again.model)[1], "free for the next stage's rules"


def test_a_stage_without_an_adapter_does_not_save_the_earlier_one_again(base, tmp_path, speaking):
    adapters.save(speaking(adapters.attach(adapters.load_stage(base), r=4)), tmp_path / "sft")
    after = adapters.load_stage(tmp_path / "sft")
    parameter_groups(after.model, [(".*multi_modal_projector.*", 1e-3), (".*", "frozen")])
    adapters.save(after, tmp_path / "more")
    assert not (tmp_path / "more" / "adapter_model.safetensors").exists()
    assert torch.equal(_logits(adapters.load_stage(tmp_path / "more")), _logits(after))


def test_other_trained_weights_are_saved_too(base, tmp_path):
    vlm = adapters.attach(adapters.load_stage(base), r=2)
    last = r".*vision_tower.*layers\.1\..*"
    parameter_groups(vlm.model, [(last, 1e-5), (".*lora_.*", 1e-4), (".*", "frozen")])
    with torch.no_grad():
        for name, parameter in vlm.model.named_parameters():
            if parameter.requires_grad and "vision_tower" in name:
                parameter.add_(0.1)
    expected = _logits(vlm)
    adapters.save(vlm, tmp_path / "sft")
    assert all("layers.1." in name for name in load_file(tmp_path / "sft" / "weights.safetensors"))
    assert torch.equal(
        _logits(adapters.load(tmp_path / "sft", adapters.load_stage(base))), expected
    )


def test_saving_again_leaves_nothing_of_before(base, tmp_path):
    vlm = adapters.attach(adapters.load_stage(base), r=2)
    adapters.save(vlm, tmp_path / "sft")
    plain = adapters.load_stage(base)
    parameter_groups(plain.model, [(".*", "frozen")])
    adapters.save(plain, tmp_path / "sft")
    assert not list((tmp_path / "sft").glob("adapter*"))


def test_a_damaged_file_and_a_foreign_base(base, tmp_path):
    vlm = adapters.attach(adapters.load_stage(base), r=2)
    adapters.save(vlm, tmp_path / "sft")
    path = tmp_path / "sft" / "adapter_model.safetensors"
    tensors = load_file(path)
    renamed = {name.replace("q_proj", "z_proj"): tensor for name, tensor in tensors.items()}
    save_file(renamed, path)
    with pytest.raises(ModelError, match="does not hold the weights it should"):
        adapters.load_stage(tmp_path / "sft")
    path.write_bytes(b"broken")
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors cannot be read"):
        adapters.load_stage(tmp_path / "sft")


def test_bases_that_are_none(tiny_vlm, tmp_path):
    with pytest.raises(ModelError, match="stands on no folder"):
        adapters.save(tiny_vlm, tmp_path / "sft")
    with pytest.raises(ModelError, match="is no model's folder"):
        adapters.save(tiny_vlm, tmp_path / "sft", tmp_path)
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop" / "base.json").write_text('{"base": "."}')
    with pytest.raises(ModelError, match="stands on itself"):
        adapters.load_stage(tmp_path / "loop")
    (tmp_path / "loop" / "base.json").write_text('{"base": "../gone"}')
    with pytest.raises(ModelError, match=r"gone holds no model, and .*loop stands on it"):
        adapters.load_stage(tmp_path / "loop")
