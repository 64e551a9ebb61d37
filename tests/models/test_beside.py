"""What is said of known answers and written beside them is what separate passes say and write."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image

from haiga.batches.groups import GroupBatch, collate
from haiga.batches.render import Branch, Rendered, render
from haiga.errors import ModelError
from haiga.models import adapters
from haiga.models.assemble import Vlm
from haiga.models.beside import said
from haiga.models.branches import token_logps
from haiga.models.embeddings import tower_features
from haiga.models.fit import pixels
from haiga.models.generate import generate
from haiga.records import IMAGE, Answer, Group, Picture, assistant, user

PICTURE = Image.new("RGB", (60, 30), "red")
PROMPTS = [(user("the crane"),), (user(IMAGE, "what?"),), (user("a longer question ", IMAGE),)]
ANSWERS = [("one",), ("two", "three words long"), ("four", "five")]


@pytest.fixture
def asked(tiny_vlm: Vlm, speaking) -> tuple[Vlm, list[Rendered], torch.Tensor]:
    vlm = speaking(adapters.attach(tiny_vlm, r=2, alpha=4))
    vlm.model.eval()
    rows = [
        render(
            vlm.processor,
            Group(
                str(at),
                prompt,
                tuple(Answer((assistant(text),)) for text in texts),
                pictures=(Picture("red"),) if at else (),
            ),
            vlm.picture_tokens,
        )
        for at, (prompt, texts) in enumerate(zip(PROMPTS, ANSWERS, strict=True))
    ]
    views = pixels(vlm.processor.image_processor, [PICTURE, PICTURE])
    with torch.no_grad():
        return vlm, rows, tower_features(vlm.model, views)


def batch_of(vlm: Vlm, rows: list[Rendered]) -> GroupBatch:
    return collate(rows, vlm.tokenizer.pad_token_id)


@torch.no_grad()
def test_as_separate_passes(asked) -> None:
    vlm, rows, features = asked
    batch = batch_of(vlm, rows)
    found = said(vlm, batch, features, max_new_tokens=8)
    truth = token_logps(vlm.model, batch, features)
    torch.testing.assert_close(found.known, truth, atol=1e-5, rtol=1e-5)
    texts = [vlm.tokenizer.decode(ids, skip_special_tokens=True) for ids in found.answers]
    assert texts == generate(vlm, PROMPTS, [[], [PICTURE], [PICTURE]], max_new_tokens=8)
    own = batch_of(
        vlm,
        [
            replace(row, answers=(Branch(ids, (True,) * len(ids)),), kinds=("sample",))
            for row, ids in zip(rows, found.answers, strict=True)
        ],
    )
    logps = token_logps(vlm.model, own, features)
    sums = torch.zeros(3).index_add(0, own.answer_of, logps).tolist()
    assert found.own == pytest.approx(sums, abs=1e-4)


def test_an_answer_that_does_not_fit_is_refused(asked) -> None:
    vlm, rows, features = asked
    with pytest.raises(ModelError, match="positions"):
        said(vlm, batch_of(vlm, rows), features, max_new_tokens=100_000)
