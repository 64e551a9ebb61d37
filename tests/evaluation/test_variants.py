"""How far a model in fewer bits is from itself."""

import io
import math

import pytest
import torch
from PIL import Image

import tiny
from haiga.evaluation import variants
from haiga.evaluation.checks import Part
from haiga.evaluation.conditions import Item
from haiga.evaluation.variants import Apart
from haiga.models.assemble import Vlm, assemble
from haiga.records import IMAGE, Picture, user


@pytest.fixture
def tiny_vlm(tmp_path):
    return assemble(
        tiny.tiny_tower(tmp_path / "tower"), tiny.tiny_language_model(tmp_path / "language")
    )


def asked(count):
    pictures, items = {}, []
    for at in range(count):
        buffer = io.BytesIO()
        Image.new("RGB", (40, 30), (at * 30, 80, 90)).save(buffer, "PNG")
        pictures[str(at)] = buffer.getvalue()
        items.append(Item(str(at), (user(IMAGE, "what?"),), (Picture(str(at)),), cluster=str(at)))
    return items, pictures


def test_a_model_is_not_apart_from_itself(tiny_vlm):
    items, pictures = asked(3)
    found = variants.apart(tiny_vlm, tiny_vlm, items, ["the crane", "", "a pond"], pictures)
    assert [each.kl for each in found] == [0, 0, 0]
    assert all(each.same == each.tokens > 0 for each in found)


def test_the_divergence_is_that_of_the_two_distributions(tiny_vlm, monkeypatch):
    """p = (1/2, 1/2), q = (1/4, 3/4): KL = 1/2 ln 2 + 1/2 ln (2/3) = 0.1438."""
    items, pictures = asked(1)
    other = Vlm(tiny_vlm.model, tiny_vlm.processor)
    rows = {id(tiny_vlm): [0.5, 0.5], id(other): [0.25, 0.75]}

    def given(vlm, batch, views):
        return torch.tensor([rows[id(vlm)]] * len(batch.answer_of)).log()

    monkeypatch.setattr(variants, "_distribution", given)
    (found,) = variants.apart(tiny_vlm, other, items, ["the crane"], pictures)
    expected = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    assert found.kl == pytest.approx(found.tokens * expected, rel=1e-5)


def test_the_mean_is_of_tokens_and_not_of_answers():
    told = variants.divergence([Apart(1, 1.0, 1), Apart(3, 0.0, 0)], ["a", "b"], seed=0)
    assert told["kl"]["mean"] == pytest.approx(0.25)
    assert told["same"]["mean"] == pytest.approx(0.25)


def test_a_check_stays_only_where_enough_pictures_show_it():
    few, many = [Part(1), Part(0)] * 4, [Part(1), Part(0)] * 200
    changed = [Part(0), *many[1:]]
    for parts, other, holds in ((few, [Part(0), *few[1:]], False), (many, changed, True)):
        groups = [str(at) for at in range(len(parts))]
        (found,) = variants.equivalences({"c": parts}, {"c": other}, groups, 0.05).values()
        assert found["holds"] is holds
        assert found["difference"] == pytest.approx(-1 / len(parts))


def test_answers_are_equal_to_the_letter():
    found = variants.equal(["a", "b", "c", "d"], ["a", "B", "c", "d "])
    assert (found["mean"], found["n"]) == (0.5, 4)
