import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM

from haiga.errors import ModelError
from haiga.models import known
from haiga.models.families import picture_tokens

# Parameters as counted on the published checkpoints.
LANGUAGE_MODELS = {
    "Qwen/Qwen2.5-0.5B-Instruct": 494_032_768,
    "Qwen/Qwen2.5-1.5B-Instruct": 1_543_714_304,
    "Qwen/Qwen2.5-3B-Instruct": 3_085_938_688,
    "Qwen/Qwen2.5-7B-Instruct": 7_615_616_512,
}
TOWERS = {
    "google/siglip-base-patch16-224": (203_155_970, 196),
    "google/siglip-so400m-patch14-384": (877_960_498, 729),
    "openai/clip-vit-base-patch32": (151_277_313, 49),
    "openai/clip-vit-large-patch14": (427_616_513, 256),
    "openai/clip-vit-large-patch14-336": (427_944_193, 576),
}
MISTRAL = "mistralai/Mistral-7B-Instruct-v0.3"
WITHOUT_PLACES = {
    "google/vit-base-patch16-224-in21k": 86_389_248,
    "openai-community/gpt2": 124_439_808,
}
"""Of the design cross_attention."""


def _parameters(auto, config):
    with torch.device("meta"):
        model = auto.from_config(config)
    if hasattr(model, "tie_weights"):
        model.tie_weights()
    return sum(parameter.numel() for parameter in model.parameters())


def test_every_shipped_name_is_checked():
    assert known.names() == sorted([*LANGUAGE_MODELS, MISTRAL, *TOWERS, *WITHOUT_PLACES])


@pytest.mark.parametrize(("name", "expected"), LANGUAGE_MODELS.items())
def test_language_models(name, expected):
    config = known.config(name)
    assert _parameters(AutoModelForCausalLM, config) == expected
    assert config.rope_parameters["rope_theta"] == 1_000_000.0
    assert config.eos_token_id == 151_645


def test_mistral():
    assert _parameters(AutoModelForCausalLM, known.config(MISTRAL)) == 7_248_023_552


@pytest.mark.parametrize(("name", "expected"), TOWERS.items())
def test_towers(name, expected):
    config = known.config(name)
    assert (_parameters(AutoModel, config), picture_tokens(config)) == expected


@pytest.mark.parametrize(("name", "expected"), WITHOUT_PLACES.items())
def test_a_tower_and_a_decoder_without_places(name, expected):
    auto = AutoModelForCausalLM if "gpt2" in name else AutoModel
    assert _parameters(auto, known.config(name)) == expected


def test_a_local_folder(siglip_tower, tmp_path):
    assert picture_tokens(known.config(siglip_tower)) == 16
    with pytest.raises(ModelError, match=r"folder without a config\.json"):
        known.config(tmp_path)


def test_an_unknown_name_is_not_fetched():
    with pytest.raises(ModelError, match=r"'Qwen/Qwen9' is not shipped .*Qwen2.5-3B-Instruct"):
        known.config("Qwen/Qwen9")
