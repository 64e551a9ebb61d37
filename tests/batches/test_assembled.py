"""From a saved tower and language model to log-probs: the rooms fit together."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image

from haiga.batches.features import Features, cache_key
from haiga.batches.groups import collate
from haiga.batches.render import render
from haiga.models.assemble import Vlm, assemble, load
from haiga.models.branches import compare
from haiga.models.features import encode_pictures
from haiga.records import IMAGE, Answer, Group, Message, Picture, assistant, user
from tiny import PATCHES, tiny_language_model, tiny_tower

TURNS = (assistant("One the moon"), user("Shorter"), assistant("Moon"))


def vlm(folder: Path, family: str = "siglip", fit: str = "pad") -> Vlm:
    return assemble(
        tiny_tower(folder / family, family), tiny_language_model(folder / "lm"), fit=fit
    )


def jpeg(value: int) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").rotate(value).convert("RGB").resize((60, 40)).save(file, "JPEG")
    return file.getvalue()


PICTURES = {f"p{value}": jpeg(10 * value) for value in range(3)}
GROUPS = (
    Group(
        "a",
        (Message("system", ("Be brief.",)), user(IMAGE, "Write")),
        (Answer(TURNS), Answer((assistant("Nothing"),), "rejected")),
        (Picture("p0"),),
    ),
    Group("b", (user("No picture"),), (Answer((assistant("Frog"),)),)),
    Group(
        "c",
        (user("First ", IMAGE, " then ", IMAGE),),
        (Answer((assistant("x"),)), Answer((assistant("the y"),)), Answer((assistant("zzz"),))),
        (Picture("p1"), Picture("p2")),
    ),
)


@pytest.mark.parametrize("family", ["siglip", "clip"])
def test_groups_through_cache_and_model(tmp_path: Path, family: str) -> None:
    made = vlm(tmp_path, family)
    assert made.picture_tokens == PATCHES
    rendered = [render(made.processor, group, made.picture_tokens) for group in GROUPS]
    batch = collate(rendered, pad_id=made.tokenizer.pad_token_id)
    order = [id for names in batch.picture_ids for id in names]
    cache = Features.open(tmp_path / "features", cache_key(made))
    assert cache.ensure(order, PICTURES, lambda views: encode_pictures(made, views), batch=2) == 3
    pictures = [Image.open(io.BytesIO(PICTURES[id])).convert("RGB") for id in order]
    pixels = made.processor.image_processor(images=pictures, return_tensors="pt")["pixel_values"]
    assert compare(made.model, batch, cache.get(order), pixel_values=pixels) <= 1e-5


def test_ids_equal_to_the_processors(tmp_path: Path) -> None:
    """Our expansion of picture places is LlavaProcessor's."""
    made = vlm(tmp_path)
    found = render(made.tokenizer, GROUPS[2], made.picture_tokens)
    content = [
        {"type": "text", "text": "First "},
        {"type": "image"},
        {"type": "text", "text": " then "},
        {"type": "image"},
    ]
    text = made.processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    pictures = [Image.new("RGB", (32, 32))] * 2
    coded = made.processor(text=text, images=pictures, return_tensors="pt")
    assert coded["input_ids"][0].tolist() == list(found.prefix)


def test_key_follows_fit_and_survives_saving(tmp_path: Path) -> None:
    made = vlm(tmp_path)
    made.model.save_pretrained(tmp_path / "saved")
    made.processor.save_pretrained(tmp_path / "saved")
    assert cache_key(load(tmp_path / "saved")) == cache_key(made)
    assert cache_key(vlm(tmp_path, fit="crop")) != cache_key(made)


def test_bfloat16_tower_and_full_projector(tmp_path: Path) -> None:
    tower, words = tiny_tower(tmp_path / "tower"), tiny_language_model(tmp_path / "lm")
    made = assemble(tower, words, dtype=torch.bfloat16)
    rendered = [render(made.processor, group, made.picture_tokens) for group in GROUPS]
    batch = collate(rendered, pad_id=0)
    pictures = [Image.new("RGB", (32, 32), (60 * k, 9, 9)) for k in range(3)]
    features = encode_pictures(made, pictures)
    assert features.dtype == torch.bfloat16
    assert compare(made.model, batch, features) < 0.5
