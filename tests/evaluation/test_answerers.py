import io

import pytest
import torch
from PIL import Image

from haiga.errors import ModelError
from haiga.evaluation.answerers import answerer, projector_norms, random_projector
from haiga.evaluation.conditions import CONDITIONS, Item
from haiga.models.adapters import attach
from haiga.models.assemble import assemble
from haiga.records import IMAGE, Picture, user
from tiny import tiny_language_model, tiny_tower


@pytest.fixture
def vlm(tmp_path):
    return assemble(tiny_tower(tmp_path / "tower"), tiny_language_model(tmp_path / "lm"))


def picture(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_an_answerer_shows_each_item_its_own_view(vlm):
    pictures = {"red": picture((255, 0, 0)), "blue": picture((0, 0, 255))}
    ask = answerer(lambda: vlm, pictures, max_new_tokens=8)
    items = [
        Item(id=name, prompt=(user(IMAGE, "\nWrite."),), pictures=(Picture(name),))
        for name in pictures
    ]
    full = ask(items)
    assert len(full) == 2
    assert ask(CONDITIONS["shuffled"].transform(items, 0)) == full[::-1]
    grey = ask(CONDITIONS["grey"].transform(items, 0))
    assert grey[0] == grey[1]
    blind = ask(CONDITIONS["blind"].transform(items, 0))
    assert blind[0] == blind[1]


def test_the_random_projector_has_the_norms_and_nothing_else_of_the_trained_one(vlm):
    own = dict(vlm.model.named_parameters())
    before = {name: tensor.detach().clone() for name, tensor in own.items()}
    norms = {name: 2 * norm + 1 for name, norm in projector_norms(vlm).items()}
    drawn = random_projector(vlm, norms, seed=3)
    assert projector_norms(drawn) == pytest.approx(norms, rel=1e-5)
    for name, tensor in drawn.model.named_parameters():
        assert torch.equal(tensor, before[name]) == ("projector" not in name)
    first = {name: tensor.detach().clone() for name, tensor in drawn.model.named_parameters()}
    again = dict(random_projector(vlm, norms, seed=3).model.named_parameters())
    assert all(torch.equal(again[name], tensor) for name, tensor in first.items())


def test_norms_are_read_below_an_adapter(vlm):
    plain = projector_norms(vlm)
    assert projector_norms(attach(vlm, r=2)) == plain


def test_projectors_that_differ_are_refused(vlm):
    with pytest.raises(ModelError, match=r"only one of them has .*linear_3\.weight"):
        random_projector(vlm, projector_norms(vlm) | {"linear_3.weight": 1.0})
