import json
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertModel,
    LlavaProcessor,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    SiglipVisionModel,
)

import tiny
from haiga.errors import ModelError
from haiga.models.assemble import assemble, load
from haiga.models.checkpoint import save_checkpoint
from haiga.models.features import encode_pictures

RED = Image.new("RGB", (60, 30), "red")


def _inputs(vlm, text="<|image_pad|>hi", images=(RED,)):
    return vlm.processor(text=[text], images=list(images), return_tensors="pt")


def test_config_of_a_siglip_llava(tiny_vlm):
    config = tiny_vlm.model.config
    assert config.vision_feature_select_strategy == "full"
    assert config.vision_feature_layer == -1
    assert config.image_seq_length == tiny.PATCHES == tiny_vlm.picture_tokens
    assert config.image_token_index == tiny_vlm.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    assert config.tie_word_embeddings is True
    assert config.vision_config.vision_use_head is False
    assert tiny_vlm.processor.num_additional_image_tokens == 0
    assert config.text_config.vocab_size == tiny.VOCABULARY, "nothing is resized"


def test_config_of_a_clip_llava(clip_tower, tiny_lm):
    vlm = assemble(clip_tower, tiny_lm)
    assert vlm.model.config.vision_feature_select_strategy == "default"
    assert vlm.model.config.vision_feature_layer == -2
    assert vlm.processor.num_additional_image_tokens == 1
    # 16 patches and a class token, less the class token.
    assert vlm.picture_tokens == 16
    assert int((_inputs(vlm)["input_ids"] == vlm.image_token_id).sum()) == 16
    assert encode_pictures(vlm, [RED]).shape == (1, 16, tiny.VISION_WIDTH)
    assert vlm.model(**_inputs(vlm)).logits.isfinite().all()


def test_weights_are_those_of_the_sources(tiny_vlm, siglip_tower, tiny_lm):
    tower = SiglipVisionModel.from_pretrained(siglip_tower).state_dict()
    ours = tiny_vlm.model.model.vision_tower.state_dict()
    assert {name for name in tower if name not in ours} == {
        n for n in tower if n.startswith("head.")
    }
    assert all(torch.equal(ours[name], tower[name]) for name in ours)
    lm = AutoModelForCausalLM.from_pretrained(tiny_lm).state_dict()
    assert torch.equal(tiny_vlm.model.lm_head.weight, lm["lm_head.weight"])
    inner = tiny_vlm.model.model.language_model.state_dict()
    assert all(torch.equal(inner[name], lm[f"model.{name}"]) for name in inner)
    assert len(inner) == len(lm) - 1


def test_the_assembled_model_writes_as_its_language_model(tiny_vlm, tiny_lm):
    lm = AutoModelForCausalLM.from_pretrained(tiny_lm).eval()
    ids = torch.tensor([[261, 84, 82, 68]])
    assert torch.equal(tiny_vlm.model(input_ids=ids).logits, lm(ids).logits)


def test_tied_weights_are_one_tensor_and_untied_two(tiny_vlm, siglip_tower, tmp_path):
    head, table = tiny_vlm.model.lm_head.weight, tiny_vlm.model.get_input_embeddings().weight
    assert head.data_ptr() == table.data_ptr()
    untied = assemble(siglip_tower, tiny.tiny_language_model(tmp_path / "lm", tied=False))
    assert untied.model.config.tie_word_embeddings is False
    assert not torch.equal(untied.model.lm_head.weight, untied.model.get_input_embeddings().weight)
    save_checkpoint(untied, tmp_path / "whole")
    again = load(tmp_path / "whole")
    assert torch.equal(again.model.lm_head.weight, untied.model.lm_head.weight)


def test_a_dual_encoder_gives_its_vision_half(tmp_path, tiny_lm, siglip_tower):
    half = SiglipVisionModel.from_pretrained(siglip_tower).config.to_dict()
    text = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "vocab_size": 64}
    text |= {"num_attention_heads": 2, "bos_token_id": 0, "eos_token_id": 1}
    dual = SiglipModel(SiglipConfig(vision_config=half, text_config=text))
    dual.save_pretrained(tmp_path)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    tower = assemble(tmp_path, tiny_lm).model.model.vision_tower
    expected = dual.vision_model.state_dict()
    assert all(torch.equal(t, expected[name]) for name, t in tower.state_dict().items())
    assert not any("text" in name for name in tower.state_dict())


def test_the_projector_has_its_own_seed_and_float32(siglip_tower, tiny_lm):
    a, b, c = (
        assemble(siglip_tower, tiny_lm, projector_seed=seed, dtype=torch.bfloat16)
        for seed in (0, 0, 1)
    )
    weights = [v.model.model.multi_modal_projector.linear_1.weight for v in (a, b, c)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert {p.dtype for p in a.model.model.multi_modal_projector.parameters()} == {torch.float32}
    assert a.model.model.language_model.dtype == torch.bfloat16
    assert a.model.model.vision_tower.dtype == torch.bfloat16
    # Uniform within 1/sqrt(32).
    assert weights[0].abs().max().item() <= 32**-0.5
    assert weights[0].std().item() == pytest.approx(32**-0.5 / 3**0.5, rel=0.05)


def test_the_projector_computes_in_float32_and_is_cast_afterwards(siglip_tower, tiny_lm):
    vlm = assemble(siglip_tower, tiny_lm, dtype=torch.bfloat16)
    features = encode_pictures(vlm, [RED])
    assert features.dtype == torch.bfloat16
    projector = vlm.model.model.multi_modal_projector
    exact = projector(features.float())
    assert exact.dtype == torch.float32
    read = {}
    vlm.model.model.language_model.register_forward_pre_hook(
        lambda _, given, named: read.update(named), with_kwargs=True
    )
    assert vlm.model(**_inputs(vlm)).logits.dtype == torch.bfloat16
    places = _inputs(vlm)["input_ids"] == vlm.image_token_id
    assert torch.equal(read["inputs_embeds"][places], exact[0].to(torch.bfloat16))
    # A start that bfloat16 cannot tell from its neighbour is kept.
    with torch.no_grad():
        projector.linear_1.weight.fill_(1.0).add_(1e-4)
    assert projector.linear_1.weight[0, 0].item() != 1.0


def test_features_are_what_the_model_splices_in(tiny_vlm):
    images = [RED, Image.new("RGB", (30, 60), "blue"), Image.new("RGB", (9, 9), "green")]
    pixel_values = tiny_vlm.processor.image_processor(images, return_tensors="pt")["pixel_values"]
    own = torch.stack(list(tiny_vlm.model.get_image_features(pixel_values).pooler_output))
    features = encode_pictures(tiny_vlm, images, batch=2)
    assert features.shape == (3, 16, tiny.VISION_WIDTH)
    projected = tiny_vlm.model.model.multi_modal_projector(features)
    assert torch.allclose(projected, own, atol=1e-6)
    assert encode_pictures(tiny_vlm, []).shape == (0, 16, tiny.VISION_WIDTH)


def test_trap_siglip_features_are_taken_before_the_last_norm(tiny_vlm):
    tower = tiny_vlm.model.model.vision_tower
    pixel_values = tiny_vlm.processor.image_processor(RED, return_tensors="pt")["pixel_values"]
    seen = tower(pixel_values, output_hidden_states=True)
    features = encode_pictures(tiny_vlm, [RED])
    assert torch.equal(features, seen.hidden_states[-1])
    assert not torch.allclose(features, seen.last_hidden_state)
    assert torch.allclose(tower.post_layernorm(features), seen.last_hidden_state)


def test_trap_default_strategy_would_drop_a_siglip_patch(tiny_vlm):
    pixel_values = tiny_vlm.processor.image_processor(RED, return_tensors="pt")["pixel_values"]
    wrong = tiny_vlm.model.get_image_features(
        pixel_values, vision_feature_select_strategy="default"
    ).pooler_output
    assert wrong[0].shape[0] == 15, "transformers still says nothing, so our table must be right"
    assert encode_pictures(tiny_vlm, [RED]).shape[1] == 16


def test_trap_a_token_of_several_pieces_is_refused(siglip_tower, tiny_lm, tiny_vlm):
    silent = LlavaProcessor(tiny_vlm.processor.image_processor, tiny.tiny_tokenizer())
    assert silent.image_token_id == tiny_vlm.tokenizer.convert_tokens_to_ids("<")
    with pytest.raises(ModelError, match=r"'<image>' is not one reserved token .* 7 tokens"):
        assemble(siglip_tower, tiny_lm, image_token="<image>")
    # One token, but an ordinary word: it would turn words into picture places.
    with pytest.raises(ModelError, match=r"'the' is not one reserved token"):
        assemble(siglip_tower, tiny_lm, image_token="the")


def test_trap_a_token_beyond_the_embedding_is_refused(siglip_tower, tiny_lm, tmp_path):
    shutil.copytree(tiny_lm, tmp_path / "lm")
    tokenizer = tiny.tiny_tokenizer()
    tokenizer.add_tokens([f"<more{i}>" for i in range(60)])
    tokenizer.add_special_tokens({"extra_special_tokens": [*tiny.SPECIAL_TOKENS, "<pic>"]})
    tokenizer.save_pretrained(tmp_path / "lm")
    with pytest.raises(ModelError, match=r"'<pic>' has id 324, and .* has 320 embedding rows"):
        assemble(siglip_tower, tmp_path / "lm", image_token="<pic>")


def test_trap_special_tokens_all_stay_special(tiny_vlm, tiny_lm):
    plain = tiny.tiny_tokenizer()
    assert set(tiny_vlm.tokenizer.all_special_tokens) == set(plain.all_special_tokens)
    assert len(tiny_vlm.tokenizer) == len(plain)
    assert tiny_vlm.tokenizer.image_token == "<|image_pad|>"


def test_trap_tokens_of_a_picture_can_be_asked_for(tiny_vlm):
    counted = tiny_vlm.processor._get_num_multimodal_tokens(image_sizes=[[300, 600]])
    assert counted["num_image_tokens"] == [16]


def test_processor_expands_each_place(tiny_vlm):
    inputs = _inputs(tiny_vlm, "<|image_pad|>a<|image_pad|>", [RED, RED])
    assert int((inputs["input_ids"] == tiny_vlm.image_token_id).sum()) == 32
    assert inputs["pixel_values"].shape == (2, 3, 32, 32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_load_gives_the_same_model(siglip_tower, tiny_lm, tmp_path, dtype):
    vlm = assemble(siglip_tower, tiny_lm, dtype=dtype, fit="crop", projector_seed=3)
    save_checkpoint(vlm, tmp_path)
    again = load(tmp_path)
    for (name, a), (other, b) in zip(
        vlm.model.named_parameters(), again.model.named_parameters(), strict=True
    ):
        assert (name, a.dtype) == (other, b.dtype)
        assert torch.equal(a, b), name
    assert torch.equal(vlm.model(**_inputs(vlm)).logits, again.model(**_inputs(again)).logits)
    assert again.processor.image_processor.to_dict() == vlm.processor.image_processor.to_dict()
    assert again.processor.chat_template == vlm.processor.chat_template
    assert again.tokenizer.padding_side == "left"
    assert again.origin == tmp_path
    assert load(tmp_path, torch.float32).model.dtype == torch.float32


def test_trap_both_styles_of_names_are_read(tiny_vlm, tmp_path):
    """transformers 5 itself writes flattened names for a model that it has not loaded."""
    tiny_vlm.model.save_pretrained(tmp_path / "flat")
    tiny_vlm.processor.save_pretrained(tmp_path / "flat")
    save_checkpoint(tiny_vlm, tmp_path / "hub")
    flat, hub = (load_file(tmp_path / name / "model.safetensors") for name in ("flat", "hub"))
    assert "vision_tower.embeddings.patch_embedding.weight" in flat
    assert "vision_tower.vision_model.embeddings.patch_embedding.weight" in hub
    assert len(flat) == len(hub)
    a, b = load(tmp_path / "flat"), load(tmp_path / "hub")
    assert torch.equal(a.model(**_inputs(a)).logits, b.model(**_inputs(b)).logits)


def test_trap_engines_must_see_a_template_over_parts(tiny_vlm):
    """vLLM looks for a loop over a message's content, and sends plain strings otherwise."""
    assert "for part in message['content']" in tiny_vlm.processor.chat_template
    assert tiny_vlm.tokenizer.chat_template == tiny_vlm.processor.chat_template


def test_an_unknown_family(tmp_path, tiny_lm):
    config = BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"model_type 'bert'. Known families: siglip, clip"):
        assemble(tmp_path, tiny_lm)


def test_sources_that_cannot_be_read(tmp_path, siglip_tower, tiny_lm):
    with pytest.raises(ModelError, match="cannot be read as a checkpoint"):
        assemble(siglip_tower, tmp_path)
    with pytest.raises(ModelError, match="cannot be read as a checkpoint"):
        load(tmp_path)


def test_a_language_model_alone_is_no_vlm(tiny_lm):
    with pytest.raises(ModelError):
        load(tiny_lm)


def test_missing_weights_are_an_error_not_random(tiny_vlm, tmp_path):
    save_checkpoint(tiny_vlm, tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    del tensors["multi_modal_projector.linear_2.weight"]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights .*linear_2"):
        load(tmp_path)


def test_a_checkpoint_that_contradicts_itself(tiny_vlm, tmp_path):
    save_checkpoint(tiny_vlm, tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"image_token_index": 262}))
    with pytest.raises(ModelError, match="contradicts itself: its processor"):
        load(tmp_path)
