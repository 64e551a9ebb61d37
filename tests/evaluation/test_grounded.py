"""The best of several answers: by the model's own dependence on the picture, and by an encoder."""

import io
import json
import math

import pytest
from PIL import Image

from haiga.errors import ModelError, RecipeError
from haiga.evaluation import grounded
from haiga.evaluation.conditions import CONDITIONS, Item
from haiga.evaluation.grounded import Best, Candidate, best_of
from haiga.evaluation.likelihood import answer_logps
from haiga.models.assemble import assemble
from haiga.models.towers import load_towers, picture_embeds, text_embeds
from haiga.pipeline.run import checkpoint
from haiga.records import IMAGE, Picture, user
from tiny import tiny_language_model, tiny_tower

SIX = Best(6, max_new_tokens=5, seed=3)


def _picture(shade: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), shade).save(buffer, "PNG")
    return buffer.getvalue()


PICTURES = {"a": _picture("red"), "b": _picture("navy")}
ITEMS = [Item(name, (user(IMAGE, "\nWrite."),), (Picture(name),)) for name in PICTURES]


@pytest.fixture(scope="module")
def vlm(tmp_path_factory):
    home = tmp_path_factory.mktemp("vlm")
    return assemble(tiny_tower(home / "tower"), tiny_language_model(home / "lm"))


def test_the_one_that_depends_most_on_the_picture_is_taken(vlm):
    found = best_of(vlm, ITEMS, PICTURES, SIX)
    assert best_of(vlm, ITEMS, PICTURES, SIX) == found
    for item, own in zip(ITEMS, found, strict=True):
        assert len(own) == 6
        assert len({each.text for each in own}) > 1
        assert own[0].score == max(each.score for each in own)
        # By hand, one text at a time: nats a token with the picture, less those without.
        (blind,) = CONDITIONS["blind"].transform([item], 0)
        for each in own[:2]:
            (with_it,) = answer_logps(vlm, [item], [[each.text]], PICTURES)
            (without,) = answer_logps(vlm, [blind], [[each.text]], PICTURES)
            expected = float(with_it.means[0] - without.means[0])
            assert each.score == pytest.approx(expected, abs=1e-4)


def test_by_an_encoder_it_is_the_cosine(vlm):
    encoder = str(checkpoint("world:tower"))
    (own,) = best_of(vlm, ITEMS[:1], PICTURES, Best(2, "similarity", 1.0, encoder, 5))
    towers = load_towers(encoder)
    seen = picture_embeds(towers, [Image.open(io.BytesIO(PICTURES["a"]))])
    for each in own:
        cosine = float(text_embeds(towers, [each.text]) @ seen[0])
        assert each.score == pytest.approx(cosine, abs=1e-5)


@pytest.mark.parametrize("score", [math.nan, -math.inf])
def test_a_score_that_is_none_is_an_error(vlm, monkeypatch, score):
    def broken(vlm, items, texts, pictures, best, features):
        return [[0.0] * 5 + [score] for _ in items]

    monkeypatch.setitem(grounded.BY, "dependence", broken)
    with pytest.raises(ModelError, match="which is none; nothing was chosen"):
        best_of(vlm, ITEMS, PICTURES, SIX)


def test_what_is_missing_is_a_sentence(vlm):
    with pytest.raises(RecipeError, match="no score 'beauty'; there are: dependence, similarity"):
        best_of(vlm, ITEMS, PICTURES, Best(2, "beauty"))
    with pytest.raises(RecipeError, match="needs an encoder"):
        best_of(vlm, ITEMS, PICTURES, Best(2, "similarity", max_new_tokens=2))


def test_every_candidate_is_kept_with_its_score(vlm, tmp_path):
    path = tmp_path / "candidates" / "sft.jsonl"
    answer = grounded.answerer(lambda: vlm, PICTURES, SIX, path)
    texts = answer(ITEMS[:1]) + answer(ITEMS[1:])
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["a", "b"]
    assert [row["candidates"][0]["text"] for row in rows] == texts
    assert all(len(row["candidates"]) == 6 for row in rows)


def test_of_equals_the_first_is_taken():
    own = grounded._ordered(ITEMS[0], ["x", "y", "z"], [1.0, 2.0, 2.0])
    assert own == [Candidate("y", 2.0), Candidate("x", 1.0), Candidate("z", 2.0)]
