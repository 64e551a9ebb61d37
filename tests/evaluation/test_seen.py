"""What towers see is kept over stages and conditions, and answers are those of pixels."""

import io

import pytest
import torch
from PIL import Image

from haiga.evaluation import seen
from haiga.evaluation.answerers import answerer, projector_norms, random_projector
from haiga.evaluation.conditions import CONDITIONS, Item
from haiga.evaluation.grounded import Best, best_of
from haiga.evaluation.likelihood import answer_logps
from haiga.evaluation.seen import features_of
from haiga.models.assemble import assemble
from haiga.models.features import encode_pictures
from haiga.records import IMAGE, Picture, user
from haiga.store.files import digest
from tiny import tiny_language_model, tiny_tower

HOW = {"max_new_tokens": 8, "batch": 3}


def picture(colour, size):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


DATA = [picture(c, (40 + at, 30)) for at, c in enumerate(("red", "navy", "green", "white", "tan"))]
PICTURES = {digest(data): data for data in DATA}
IDS = list(PICTURES)
ITEMS = [Item(id_[:4], (user(IMAGE, "\nWrite."),), (Picture(id_),)) for id_ in IDS] + [
    Item("none", (user("Write."),)),
    Item("two", (user(IMAGE, " and ", IMAGE),), (Picture(IDS[3]), Picture(IDS[0]))),
    Item("more", (user(IMAGE, " or ", IMAGE),), (Picture(IDS[1]), Picture(IDS[2]))),
]


@pytest.fixture
def vlm(tmp_path):
    return assemble(tiny_tower(tmp_path / "tower"), tiny_language_model(tmp_path / "lm"))


@pytest.fixture
def encoded(monkeypatch):
    """How many pictures went through a tower."""
    count = []

    def counted(vlm, images):
        count.extend(images)
        return encode_pictures(vlm, images)

    monkeypatch.setattr(seen, "encode_pictures", counted)
    return count


def test_answers_are_those_of_pixels_and_nothing_is_read_twice(vlm, tmp_path, encoded):
    kept = tmp_path / "features"
    from_pixels = answerer(lambda: vlm, PICTURES, **HOW)
    from_cache = answerer(lambda: vlm, PICTURES, kept, **HOW)
    asked = [CONDITIONS[name].transform(ITEMS, 0) for name in ("full", "shuffled", "grey", "blind")]
    expected = [from_pixels(items) for items in asked]
    assert expected[0] != expected[1]
    encoded.clear()
    for _ in range(2):
        assert [from_cache(items) for items in asked] == expected
        assert len(encoded) == 10  # five pictures, and each in grey
    # Another model with the same tower, and the same model opened once more.
    other = random_projector(vlm, projector_norms(vlm), seed=3)
    assert answerer(lambda: other, PICTURES, kept, **HOW)(ITEMS) == from_pixels(ITEMS)
    again = assemble(tmp_path / "tower", tmp_path / "lm")
    assert answerer(lambda: again, PICTURES, kept, **HOW)(ITEMS) == expected[0]
    assert len(encoded) == 10 + 9  # pixels once more


def test_another_tower_sees_for_itself(vlm, tmp_path, encoded):
    kept = tmp_path / "features"
    features_of(vlm, ITEMS, PICTURES, kept)
    other = assemble(tiny_tower(tmp_path / "other", seed=5), tmp_path / "lm")
    found = features_of(other, ITEMS, PICTURES, kept)
    assert len(encoded) == 10
    torch.testing.assert_close(found, features_of(other, ITEMS, PICTURES))


def test_a_tower_in_fewer_bits_keeps_nothing(vlm, tmp_path):
    vlm.tower.register_parameter(
        "bits", torch.nn.Parameter(torch.zeros(3, dtype=torch.int8), requires_grad=False)
    )
    found = features_of(vlm, ITEMS, PICTURES, tmp_path / "features")
    assert len(found) == 9
    assert not (tmp_path / "features").exists()


def test_likelihoods_and_the_best_of_several_too(vlm, tmp_path, encoded):
    kept, texts = tmp_path / "features", [["one", "another text"]] * len(ITEMS)
    for mine, theirs in zip(
        answer_logps(vlm, ITEMS, texts, PICTURES, kept),
        answer_logps(vlm, ITEMS, texts, PICTURES),
        strict=True,
    ):
        torch.testing.assert_close(mine.logps, theirs.logps)
    best = Best(4, max_new_tokens=5)
    encoded.clear()
    found = best_of(vlm, ITEMS[:3], PICTURES, best, kept)
    assert not encoded
    expected = best_of(vlm, ITEMS[:3], PICTURES, best)
    assert [[each.text for each in own] for own in found] == [
        [each.text for each in own] for own in expected
    ]
    assert len(encoded) == 6  # for the samples, and for the scores
