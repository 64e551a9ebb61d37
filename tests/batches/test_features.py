"""The picture-feature cache: nothing twice, nothing lost, nothing stale."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import (
    AutoConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    Qwen2Config,
    SiglipImageProcessorPil,
    SiglipVisionModel,
)

from haiga.batches.features import Encode, Features, cache_key
from haiga.errors import DataError, PictureError, StoreError
from tiny import tiny_tower


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


PICTURES = {f"p{value}": png(value) for value in range(10)}


def red(dtype: torch.dtype = torch.float32, seen: list[int] | None = None) -> Encode:
    """Encodes a picture as its red value and one more, [2, 3] of each."""

    def encode(pictures: list[Image.Image]) -> Tensor:
        if seen is not None:
            seen.append(len(pictures))
        values = [float(np.asarray(picture)[0, 0, 0]) for picture in pictures]
        return torch.tensor([[[v] * 3, [v + 1] * 3] for v in values], dtype=dtype)

    return encode


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_goes_in_comes_out(tmp_path: Path, dtype: torch.dtype) -> None:
    cache = Features.open(tmp_path, "key")
    assert cache.ensure(["p3", "p1", "p3", "p7"], PICTURES, red(dtype), batch=2) == 3
    for each in (cache, Features.open(tmp_path, "key")):
        found = each.get(["p7", "p1", "p7"])
        assert found.dtype == dtype
        assert found[:, :, 0].tolist() == [[7, 8], [1, 2], [7, 8]]
        assert len(each) == 3
        assert "p2" not in each


def test_nothing_is_encoded_twice(tmp_path: Path) -> None:
    seen: list[int] = []
    Features.open(tmp_path, "key").ensure(["p1", "p2", "p1"], PICTURES, red(seen=seen))
    again = Features.open(tmp_path, "key")
    assert again.ensure(["p2", "p1"], PICTURES, red(seen=seen)) == 0
    assert again.ensure(["p2", "p5"], PICTURES, red(seen=seen)) == 1
    assert seen == [2, 1]
    assert (tmp_path / "key" / "features.bin").stat().st_size == 3 * 2 * 3 * 4


def test_another_process_may_fill_it_too(tmp_path: Path) -> None:
    mine, theirs = Features.open(tmp_path, "key"), Features.open(tmp_path, "key")
    theirs.ensure(["p1", "p2"], PICTURES, red())
    assert mine.ensure(["p2", "p3"], PICTURES, red()) == 1
    assert mine.get(["p1", "p2", "p3"])[:, 0, 0].tolist() == [1, 2, 3]


def test_other_key_other_cache(tmp_path: Path) -> None:
    Features.open(tmp_path, "one").ensure(["p1"], PICTURES, red())
    assert len(Features.open(tmp_path, "two")) == 0


@pytest.mark.parametrize("leftover", ["numbers", "line", "no line"])
def test_a_torn_end_is_made_again(tmp_path: Path, leftover: str) -> None:
    Features.open(tmp_path, "key").ensure(["p1", "p2"], PICTURES, red())
    folder = tmp_path / "key"
    if leftover == "numbers":
        with (folder / "features.bin").open("ab") as file:
            file.write(b"\x7f" * 13)
    elif leftover == "line":
        with (folder / "features.bin").open("ab") as file:
            file.write(b"\x7f" * 24)
        with (folder / "ids.txt").open("a") as file:
            file.write("p")
    else:
        with (folder / "features.bin").open("ab") as file:
            file.truncate(24)
    cache = Features.open(tmp_path, "key")
    cache.ensure(["p1", "p2", "p3"], PICTURES, red())
    for each in (cache, Features.open(tmp_path, "key")):
        assert each.get(["p3", "p2", "p1"])[:, 1, 2].tolist() == [4, 3, 2]


def test_killed_between_numbers_and_ids(tmp_path: Path) -> None:
    """A process that dies without a word right after the numbers loses that batch alone."""
    code = f"""
import os, signal, sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parent.parent)]!r}
from pathlib import Path
from haiga.batches import features
from test_features import PICTURES, red
write, calls = features._write_after, []
def dying(path, size, data):
    calls.append(path)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, size, data)
features._write_after = dying
features.Features.open(Path({str(tmp_path)!r}), "key").ensure(PICTURES, PICTURES, red(), batch=4)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert (tmp_path / "key" / "features.bin").stat().st_size == 8 * 24
    cache = Features.open(tmp_path, "key")
    assert len(cache) == 4
    assert cache.ensure(PICTURES, PICTURES, red(), batch=4) == 6
    assert cache.get(list(PICTURES))[:, 0, 0].tolist() == list(range(10))


def test_refusals(tmp_path: Path) -> None:
    cache = Features.open(tmp_path, "key")
    with pytest.raises(DataError, match="No picture has the id gone"):
        cache.ensure(["gone"], PICTURES, red())
    with pytest.raises(PictureError, match="Picture bad"):
        cache.ensure(["bad"], {"bad": b"no picture"}, red())
    with pytest.raises(StoreError, match="no features of p1"):
        cache.get(["p1"])
    cache.ensure(["p1"], PICTURES, red())
    with pytest.raises(StoreError, match=r"holds \(2, 3\)"):
        cache.ensure(["p2"], PICTURES, red(torch.bfloat16))
    with pytest.raises(StoreError, match="for 1 pictures"):
        cache.ensure(["p2"], PICTURES, lambda pictures: torch.zeros(2, 2, 3))
    assert len(Features.open(tmp_path, "key")) == 1
    assert cache.get([]).shape == (0, 2, 3)


def vlm(folder: Path, size: int = 32) -> SimpleNamespace:
    """A LLaVA around a saved tower, with only what the cache looks at."""
    tower = SiglipVisionModel.from_pretrained(folder)
    text = Qwen2Config(
        vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=1, num_key_value_heads=1,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=AutoConfig.from_pretrained(folder), text_config=text, image_token_index=31,
        vision_feature_select_strategy="full", vision_feature_layer=-1,
    )  # fmt: skip
    model = LlavaForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(tower.state_dict())
    processor = SiglipImageProcessorPil.from_pretrained(folder)
    processor.size = {"height": size, "width": size}
    return SimpleNamespace(model=model, processor=SimpleNamespace(image_processor=processor))


def test_key_is_the_tower_and_its_preprocessing(tmp_path: Path) -> None:
    folder = tiny_tower(tmp_path / "tower")
    one, other = vlm(folder), vlm(folder)
    key = cache_key(one)
    with torch.no_grad():
        other.model.model.multi_modal_projector.linear_1.weight.add_(1)
        other.model.lm_head.weight.add_(1)
    assert cache_key(other) == key
    assert cache_key(vlm(folder, size=64)) != key
    with torch.no_grad():
        next(other.model.model.vision_tower.parameters()).view(-1)[0].add_(1e-3)
    assert cache_key(other) != key
    one.model.config.vision_feature_layer = -2
    assert cache_key(one) != key


def test_key_survives_saving(tmp_path: Path) -> None:
    one = vlm(tiny_tower(tmp_path / "tower"))
    one.model.save_pretrained(tmp_path / "saved")
    model = LlavaForConditionalGeneration.from_pretrained(tmp_path / "saved")
    assert cache_key(SimpleNamespace(model=model, processor=one.processor)) == cache_key(one)
