import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    LlavaForConditionalGeneration,
)

import tiny
from haiga.errors import ModelError, StoreError
from haiga.models import adapters
from haiga.models.assemble import assemble, load
from haiga.models.checkpoint import save_checkpoint
from haiga.models.export import compare, export
from haiga.models.generate import generate
from haiga.records import IMAGE, user

FILES = [
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
]


def _says(vlm):
    return generate(
        vlm, [(user(IMAGE, "?"),)], [[Image.new("RGB", (40, 20), "red")]], max_new_tokens=8
    )


@pytest.mark.parametrize("family", ["siglip", "clip"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_adapted_model_is_merged_and_read_by_strangers(
    family, dtype, siglip_tower, clip_tower, tiny_lm, tmp_path, speaking
):
    tower = {"siglip": siglip_tower, "clip": clip_tower}[family]
    vlm = speaking(adapters.attach(assemble(tower, tiny_lm, dtype=dtype), r=4))
    expected = _says(vlm)
    export(vlm, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    assert _says(vlm) == expected, "the exported model stays as it was"
    if dtype is torch.float32:
        assert _says(load(tmp_path / "out")) == expected
    stranger = AutoModelForImageTextToText.from_pretrained(tmp_path / "out")
    assert type(stranger) is LlavaForConditionalGeneration
    assert stranger.dtype == dtype


def test_a_stranger_writes_the_same_without_being_told_how(tiny_vlm, tmp_path):
    """Instruct models come with penalties and chance, and with no length of their own."""
    own = tiny_vlm.model.generation_config
    own.do_sample, own.temperature, own.repetition_penalty = True, 0.7, 1.3
    expected = _says(tiny_vlm)[0]
    export(tiny_vlm, tmp_path / "out", max_new_tokens=8)
    assert own.do_sample, "the exported model stays as it was"
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "out")
    processor = AutoProcessor.from_pretrained(tmp_path / "out", backend="pil")
    content = [
        {"type": "image", "image": Image.new("RGB", (40, 20), "red")},
        {"type": "text", "text": "?"},
    ]
    given = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    written = model.generate(**given)[0, given["input_ids"].shape[1] :]
    assert processor.decode(written, skip_special_tokens=True) == expected


def test_names_are_those_of_the_hub(tiny_vlm, tmp_path):
    export(tiny_vlm, tmp_path / "out")
    names = set(load_file(tmp_path / "out" / "model.safetensors"))
    prefixes = {
        "vision_tower.vision_model.",
        "multi_modal_projector.linear_",
        "language_model.model.",
    }
    assert {next((p for p in prefixes if n.startswith(p)), n) for n in names} == prefixes
    assert "vision_tower.vision_model.embeddings.patch_embedding.weight" in names
    assert not any("lm_head" in name for name in names), "tied"


def test_a_head_of_its_own_is_saved(siglip_tower, tmp_path):
    lm = tiny.tiny_language_model(tmp_path / "lm", tied=False)
    export(assemble(siglip_tower, lm), tmp_path / "out")
    assert "language_model.lm_head.weight" in load_file(tmp_path / "out" / "model.safetensors")
    assert (
        json.loads((tmp_path / "out" / "config.json").read_text())["tie_word_embeddings"] is False
    )


def test_older_readers_find_their_files(tiny_vlm, tmp_path):
    export(tiny_vlm, tmp_path / "out")

    def read(name):
        return json.loads((tmp_path / "out" / name).read_text())

    older, newer = read("preprocessor_config.json"), read("processor_config.json")
    assert older.pop("processor_class") == newer["processor_class"] == "LlavaProcessor"
    assert older == newer["image_processor"]
    assert older["do_pad"] is True
    tokens = read("tokenizer_config.json")
    # Version 4 reads `extra_special_tokens` as a dict.
    assert not isinstance(tokens.get("extra_special_tokens"), list)
    assert tokens["additional_special_tokens"] == tiny.SPECIAL_TOKENS
    assert tokens["tokenizer_class"] == "Qwen2Tokenizer"
    config = read("config.json")
    assert config["architectures"] == ["LlavaForConditionalGeneration"]
    # Version 4 would fall back to a base of 10,000, and write nonsense.
    assert config["text_config"]["rope_theta"] == 1_000_000.0
    assert config["torch_dtype"] == config["dtype"] == "float32"
    again = AutoConfig.from_pretrained(tmp_path / "out")
    assert again.text_config.rope_parameters == tiny_vlm.model.config.text_config.rope_parameters
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert set(tokenizer.all_special_tokens) == set(tiny_vlm.tokenizer.all_special_tokens)
    assert len(tokenizer) == len(tiny_vlm.tokenizer)


def test_the_fit_travels_with_the_model(siglip_tower, tiny_lm, tmp_path):
    picture = Image.radial_gradient("L").resize((90, 40)).convert("RGB")
    seen = []
    for fit in ("pad", "crop", "squash"):
        vlm = assemble(siglip_tower, tiny_lm, fit=fit)
        export(vlm, tmp_path / fit)
        processor = AutoProcessor.from_pretrained(tmp_path / fit)
        given = processor(text=["<|image_pad|>"], images=[picture], return_tensors="pt")
        ours = vlm.processor(text=["<|image_pad|>"], images=[picture], return_tensors="pt")
        assert torch.equal(given["pixel_values"], ours["pixel_values"])
        seen.append(given["pixel_values"])
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


def test_a_folder_that_is_not_empty(tiny_vlm, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(StoreError, match="is not an empty folder"):
        export(tiny_vlm, tmp_path)
    with pytest.raises(StoreError, match="is not an empty folder"):
        export(tiny_vlm, tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_adapter_is_not_written_as_a_checkpoint(tiny_vlm, tmp_path):
    with pytest.raises(ModelError, match="must be merged"):
        save_checkpoint(adapters.attach(tiny_vlm), tmp_path / "out")


def _spoil_weights(folder):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["multi_modal_projector.linear_2.bias"] += 0.1
    save_file(tensors, path, metadata={"format": "pt"})


def _spoil_json(name, change):
    def spoil(folder):
        values = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(change(values)))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_spoil_weights, "does not answer as the model"),
        (
            _spoil_json("config.json", lambda v: v | {"vision_feature_layer": -2}),
            "does not answer as the model",
        ),
        (
            _spoil_json(
                "processor_config.json",
                lambda v: v | {"image_processor": v["image_processor"] | {"do_pad": False}},
            ),
            "gives other pixel_values",
        ),
    ],
)
def test_a_checkpoint_that_differs_is_noticed(tiny_vlm, tmp_path, spoil, sentence):
    export(tiny_vlm, tmp_path / "out")
    spoil(tmp_path / "out")
    with pytest.raises(ModelError, match=sentence):
        compare(tiny_vlm, tmp_path / "out")


def test_shards_are_read_back_as_one(tiny_vlm, tmp_path, monkeypatch):
    from haiga.models import checkpoint

    monkeypatch.setattr(checkpoint, "SHARD", "100KB")
    export(tiny_vlm, tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.safetensors"))) > 2
    assert _says(load(tmp_path / "out")) == _says(tiny_vlm)
