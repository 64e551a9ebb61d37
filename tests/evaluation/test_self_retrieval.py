import numpy as np
import pytest
import torch

from haiga.evaluation.conditions import Item
from haiga.evaluation.likelihood import answer_logps
from haiga.evaluation.retrieval import both_ways, ranks
from haiga.evaluation.self_retrieval import by_likelihood, chosen
from haiga.models.assemble import assemble
from haiga.records import IMAGE, Picture, user
from made import picture
from tiny import tiny_language_model, tiny_tower

NAMES = [f"p{at}" for at in range(12)]
ITEMS = [Item(n, (user(IMAGE, "\nWrite."),), (Picture(n),), task="haiku") for n in NAMES]


def test_both_ways_by_hand():
    # Texts 0 and 1 are equal; text 2 is everybody's, unless its prior is taken off.
    similarity = torch.tensor([[3.0, 3.0, 4.0], [1.0, 1.0, 4.0], [0.0, 0.0, 4.5]])
    found = both_ways(similarity, clusters=["a", "b", "c"])
    assert found["gallery"] == 3
    # Pictures: ranks 3 (a tie counts), 3, 1. Texts (columns): ranks 1, 2, 1.
    assert found["image_to_text"]["r@1"]["mean"] == pytest.approx(1 / 3)
    assert found["image_to_text"]["median_rank"] == 3
    assert found["text_to_image"]["r@1"]["mean"] == pytest.approx(2 / 3)
    assert found["text_to_image"]["median_rank"] == 1
    fair = both_ways(similarity, clusters=["a", "b", "c"], prior=torch.tensor([0.0, 0.0, 4.0]))
    assert fair["image_to_text"]["median_rank"] == 2
    assert fair["text_to_image"] == found["text_to_image"]


def test_several_texts_of_a_picture_as_the_published_scorers_rank_them():
    """LAVIS: the order of all texts by similarity, and in it the first of the picture's own."""
    rng = np.random.default_rng(5)
    for _ in range(30):
        owners = np.repeat(np.arange(7), rng.integers(1, 6, 7))
        matrix = rng.normal(size=(7, len(owners)))
        of_pictures, of_texts = ranks(torch.tensor(matrix), torch.tensor(owners))
        for at, row in enumerate(matrix):
            order = owners[np.argsort(row)[::-1]]
            own_before = np.flatnonzero(order == at)[0]
            assert of_pictures[at] == own_before + 1
        for at, column in enumerate(matrix.T):
            order = np.argsort(column)[::-1]
            assert of_texts[at] == np.flatnonzero(order == owners[at])[0] + 1


def test_a_second_caption_is_not_in_the_way_of_the_first():
    similarity = torch.tensor([[0.9, 0.9, 0.1], [0.2, 0.3, 0.9]])
    found = both_ways(similarity, clusters=["a", "b"], owners=[0, 0, 1])
    assert (found["gallery"], found["texts"]) == (2, 3)
    assert found["image_to_text"]["r@1"] == {**found["image_to_text"]["r@1"], "mean": 1, "n": 2}
    assert found["text_to_image"]["r@1"]["n"] == 3


def test_equal_texts_are_nobodys():
    found = both_ways(torch.ones(10, 10), clusters=NAMES[:10])
    assert found["image_to_text"]["r@1"]["mean"] == 0
    assert found["image_to_text"]["r@10"]["mean"] == 1
    assert found["text_to_image"]["median_rank"] == 10


def test_the_prior_is_that_of_the_text_without_a_picture(tmp_path):
    vlm = assemble(tiny_tower(tmp_path / "tower"), tiny_language_model(tmp_path / "lm"))
    pictures = {name: picture(at) for at, name in enumerate(NAMES)}
    texts = [f"the {'moon ' * (at % 3 + 1)}{at}" for at in range(12)]
    found = by_likelihood(vlm, ITEMS, texts, pictures)
    assert found["gallery"] == 12
    blind = Item("x", (user("Write."),))
    (prior,) = answer_logps(vlm, [blind], [texts], pictures)
    rows = answer_logps(vlm, ITEMS, [texts] * 12, pictures)
    known = both_ways(torch.stack([row.logps for row in rows]), clusters=NAMES, prior=prior.logps)
    assert found["image_to_text"]["median_rank"] == known["image_to_text"]["median_rank"]
    for at in ("r@1", "r@5", "r@10"):
        assert found["text_to_image"][at] == known["text_to_image"][at]


def test_whose_picture_is_asked_of_items_of_one_kind():
    other = Item("o", (user(IMAGE, "\nWrite."),), (Picture("o"),), task="noir")
    bare = Item("b", (user("Write."),), task="haiku")
    assert chosen([bare, ITEMS[0], other, ITEMS[1], ITEMS[2]], 2) == [1, 3]
    assert chosen([bare], 5) == []
    assert chosen(ITEMS, 0) == []
