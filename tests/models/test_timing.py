"""What an answer costs is measured on the answer that the model gives anyway."""

import pytest
import torch
from PIL import Image

from haiga.models import timing
from haiga.models.generate import generate
from haiga.models.sample import ends_of
from haiga.records import IMAGE, user

PROMPT = (user(IMAGE, "what do you see?"),)
NEW = 6


def shown(count):
    return [[Image.new("RGB", (40 + at, 30), (at * 40, 90, 200))] for at in range(count)]


def test_the_phases_are_one_answer_and_the_memory_is_counted(tiny_vlm):
    found = timing.cost(tiny_vlm, [PROMPT] * 4, shown(4), new_tokens=NEW, most=4)
    assert list(found["phases"]) == list(timing.PHASES)
    assert all(0 < each["median"] <= each["p95"] for each in found["phases"].values())
    assert found["answers"] == 3  # the first warms up
    assert found["batches"][0]["batch"] == 1
    text = tiny_vlm.model.config.text_config
    width = text.hidden_size // text.num_attention_heads * text.num_key_value_heads
    a_position = 2 * text.num_hidden_layers * width * 4  # keys and values in float32
    assert found["kept_bytes_per_picture"] == a_position * tiny_vlm.picture_tokens
    assert found["prompt_positions"] > found["tokens_per_picture"] == tiny_vlm.picture_tokens
    assert found["peak_bytes"] is None  # of an accelerator


def test_what_is_timed_is_what_is_answered(tiny_vlm, monkeypatch):
    """The same tokens as `generate` writes, batch by batch."""
    written = []
    read = timing._read

    def noted(*given):
        token = read(*given)
        written.append(token)
        return token

    monkeypatch.setattr(timing, "_read", noted)
    monkeypatch.setattr("haiga.models.sample.unwritten", lambda vlm: [])
    images = shown(3)
    timing._pass(tiny_vlm, [(PROMPT, own) for own in images], NEW)
    ids = torch.stack(written, 1).tolist()
    wanted = generate(tiny_vlm, [PROMPT] * 3, images, max_new_tokens=NEW)
    ends = ends_of(tiny_vlm)
    for row, text in zip(ids, wanted, strict=True):
        stop = next((at for at, token in enumerate(row) if token in ends), len(row))
        assert tiny_vlm.tokenizer.decode(row[:stop], skip_special_tokens=True) == text


def test_batches_grow_while_they_are_worth_it(tiny_vlm, monkeypatch):
    rates = {1: 1.0, 2: 2.0, 4: 4.0, 8: 4.1, 16: 99.0}

    def made(vlm, chosen, new):
        return timing.Pass({"all": len(chosen) / rates[len(chosen)]}, 1, 1)

    monkeypatch.setattr(timing, "_pass", made)
    tried = list(timing._batches(tiny_vlm, [(PROMPT, ())], NEW, 64))
    assert [row["batch"] for row in tried] == [1, 2, 4, 8]
    assert tried[2]["answers_per_second"] == pytest.approx(4.0)


def test_a_batch_that_does_not_fit_ends_the_search(tiny_vlm, monkeypatch):
    def made(vlm, chosen, new):
        if len(chosen) > 2:
            raise torch.OutOfMemoryError
        return timing.Pass({"all": 1.0}, 1, 1)

    monkeypatch.setattr(timing, "_pass", made)
    tried = list(timing._batches(tiny_vlm, [(PROMPT, ())], NEW, 64))
    assert [row["batch"] for row in tried] == [1, 2]
