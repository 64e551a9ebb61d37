import pytest
import torch

from haiga.errors import TooLongError
from haiga.evaluation.benched import ask
from haiga.evaluation.benchmarks.base import Bench
from haiga.evaluation.conditions import CONDITIONS, Item
from haiga.evaluation.likelihood import answer_logps
from haiga.models.assemble import assemble
from haiga.records import IMAGE, Picture, user
from made import picture
from tiny import tiny_language_model, tiny_tower

PICTURES = {"a": picture(1), "b": picture(2)}
TEXTS = ["a boat", "the old cat", "x"]


def item(name, **truth):
    return Item(name, (user(IMAGE, "\nWhat is it?"),), (Picture(name),), truth=truth)


@pytest.fixture(scope="module")
def vlm(tmp_path_factory):
    home = tmp_path_factory.mktemp("vlm")
    return assemble(tiny_tower(home / "tower"), tiny_language_model(home / "lm"))


def test_texts_side_by_side_are_as_likely_as_alone(vlm):
    items = [item("a"), item("b"), *CONDITIONS["blind"].transform([item("a")], 0)]
    together = answer_logps(vlm, items, [TEXTS] * 3, PICTURES)
    for row, likely in zip(items, together, strict=True):
        for at, text in enumerate(TEXTS):
            (alone,) = answer_logps(vlm, [row], [[text]], PICTURES, room=1)
            assert likely.logps[at] == pytest.approx(float(alone.logps[0]), abs=1e-4)
            assert likely.tokens[at] == alone.tokens[0]
    split = answer_logps(vlm, items, [TEXTS] * 3, PICTURES, room=60)
    for one, other in zip(together, split, strict=True):
        torch.testing.assert_close(one.logps, other.logps, atol=1e-4, rtol=0)
    assert not torch.allclose(together[0].logps, together[1].logps)
    assert not torch.allclose(together[0].logps, together[2].logps)


def test_the_likeliest_candidate_speaks_by_the_token(vlm):
    (likely,) = answer_logps(vlm, [item("a")], [TEXTS], PICTURES)
    asked = item("a", candidates=TEXTS, labels=["A", "B", "C"])
    bench = Bench((asked,), PICTURES, "made", by="likelihood")
    assert ask(lambda: vlm, bench, batch=2)([asked]) == ["ABC"[int(likely.means.argmax())]]


def test_a_question_without_room_is_answered_with_nothing(vlm):
    long = item("b", candidates=["x " * 1500, "y"], labels=["A", "B"])
    short = item("a", candidates=TEXTS, labels=["A", "B", "C"])
    with pytest.raises(TooLongError, match="b: the prompt and an answer have"):
        answer_logps(vlm, [long], [long.truth["candidates"]], PICTURES)
    bench = Bench((short, long), PICTURES, "made", by="likelihood")
    answers = ask(lambda: vlm, bench, batch=2)([short, long])
    assert answers[0] in ("A", "B", "C")
    assert answers[1] == ""
