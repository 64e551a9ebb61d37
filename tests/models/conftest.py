from pathlib import Path

import pytest
import torch

import tiny
from haiga.models.assemble import Vlm, assemble


@pytest.fixture(scope="session")
def siglip_tower(tmp_path_factory) -> Path:
    return tiny.tiny_tower(tmp_path_factory.mktemp("siglip"))


@pytest.fixture(scope="session")
def clip_tower(tmp_path_factory) -> Path:
    return tiny.tiny_tower(tmp_path_factory.mktemp("clip"), "clip")


@pytest.fixture(scope="session")
def tiny_lm(tmp_path_factory) -> Path:
    return tiny.tiny_language_model(tmp_path_factory.mktemp("lm"))


@pytest.fixture
def tiny_vlm(siglip_tower, tiny_lm) -> Vlm:
    return assemble(siglip_tower, tiny_lm)


@pytest.fixture
def speaking():
    """Give a fresh adapter weights that change what the model writes."""

    def change(vlm: Vlm, seed: int = 0) -> Vlm:
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in vlm.model.named_parameters():
            if "lora_B" in name:
                parameter.data.normal_(std=0.5, generator=generator)
        return vlm

    return change
