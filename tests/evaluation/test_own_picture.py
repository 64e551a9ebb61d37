import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from haiga.evaluation import scores
from haiga.evaluation.checks import Part
from haiga.evaluation.conditions import Item, images
from haiga.evaluation.own_picture import beaten, by_encoder, seen
from haiga.models.towers import load_towers, picture_embeds, text_embeds
from haiga.records import IMAGE, Picture, user
from made import picture
from tiny_towers import tiny_towers

NAMES = [f"p{at}" for at in range(6)]
ITEMS = [Item(n, (user(IMAGE, "\nWrite."),), (Picture(n),), task="describe") for n in NAMES]
TEXTS = [f"A boat on the water, number {at}." for at in range(6)]
PICTURES = {name: picture(at) for at, name in enumerate(NAMES)}


def test_by_hand():
    # Text 0 fits its own picture best; text 1 is tied with one and beaten by none but that;
    # text 2 fits its own picture least.
    similarity = torch.tensor([[0.9, 0.1, 0.5], [0.2, 0.4, 0.6], [0.3, 0.4, 0.1]])
    assert beaten(similarity, ITEMS[:3], TEXTS[:3]) == [Part(1.0), Part(0.5), Part(0.0)]
    silent = beaten(similarity, ITEMS[:3], ["", *TEXTS[1:3]])
    assert silent[0] == Part(0.0)


def test_pictures_of_its_own_cluster_are_not_in_its_way():
    series = [Item(n, (), (Picture(n),), cluster=c, task="describe") for n, c in ("ax", "bx", "cy")]
    similarity = torch.tensor([[0.5, 0.1, 0.0], [0.9, 0.2, 0.9], [0.1, 0.1, 0.5]])
    assert beaten(similarity, series, TEXTS[:3]) == [Part(1.0), Part(1.0), Part(0.5)]
    alone = [Item(n, (), (Picture(n),), cluster="x", task="describe") for n in "ab"]
    assert beaten(torch.eye(2), alone, TEXTS[:2]) == [None, None]


@given(st.permutations(range(6)))
def test_who_writes_the_same_of_everything_is_at_chance(likes):
    column = torch.tensor(likes, dtype=torch.float32)[:, None].expand(6, 6)
    parts = beaten(column, ITEMS, TEXTS)
    assert sum(part.numerator for part in parts) / 6 == pytest.approx(0.5)


def test_an_encoder_is_asked_by_its_cosines(tmp_path):
    towers = load_towers(tiny_towers(tmp_path, "siglip"))
    shown = seen(towers, ITEMS, PICTURES)
    views = [images(item, PICTURES)[0] for item in ITEMS]
    cosines = picture_embeds(towers, views) @ text_embeds(towers, TEXTS).T
    assert by_encoder(towers, shown, ITEMS, TEXTS) == beaten(cosines, ITEMS, TEXTS)


def test_scores_are_kept_row_by_row(tmp_path):
    parts = [Part(1, 2), None, Part(0.5), Part(True), Part(0), None]
    table = {"sft": {"full": {"named_precision": parts, "form": [None] * 6}, "blind": {}}}
    scores.write(table, ITEMS, tmp_path)
    found = scores.read(tmp_path, "sft", "full")
    assert list(found) == NAMES
    assert [found[name]["named_precision"] for name in NAMES] == parts
    assert found["p0"]["form"] is None
    assert scores.read(tmp_path, "sft", "blind") == {name: {} for name in NAMES}
    assert scores.read(tmp_path, "sft", "grey") == {}
