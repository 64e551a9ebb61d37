import pytest
from reward_samples import POEM, SCENE, sample

from haiga.rewards.truth import true_to_picture
from haiga.world.scenes import THINGS


def value(text, options=None, **asked):
    return true_to_picture([sample(text, **asked)], **(options or {}))[0].value


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (POEM, {}, 1),
        (POEM.replace("moon", "cat"), {}, 1 / 2),
        ("a cat and a kite", {}, 0),
        ("nothing at all", {}, 0),
        ("", {}, 0),
        (POEM, {"recall": 1.0}, 2 / 3),
        (POEM, {"recall": 0.5}, 0.5 + 0.5 * 2 / 3),
        ("nothing at all", {"recall": 0.5}, 0),
        ("winter on the sea", {"kinds": ("seasons", "settings")}, 1 / 2),
        (POEM, {"kinds": ("seasons", "settings", "things")}, 1),
        ("the pine at night", {"kinds": ("things", "hours"), "recall": 1.0}, 2 / 4),
        (" ".join(THINGS), {}, 3 / 20),
        (" ".join(THINGS), {"recall": 1.0}, 1),
    ],
)
def test_worked_values(text, options, expected):
    assert value(text, options) == pytest.approx(expected)


def test_japanese_words_are_held_to_the_same_truth():
    assert value("秋の海\n舟と猫", language="ja") == pytest.approx(1 / 2)


def test_a_picture_that_nobody_knows_has_no_score_and_its_neighbour_has():
    scored = true_to_picture([sample(meta={}), sample(), sample(meta={"scene": {"things": 3}})])
    assert [each.value for each in scored] == [None, 1, None]
    assert "does not say what is in it" in scored[0].why
    assert scored[2].why.startswith("TypeError")


def test_a_scene_out_of_a_table_is_read_too():
    table = {**SCENE, "things": tuple(SCENE["things"])}
    assert value(POEM, {"recall": 1.0}, meta={"scene": table}) == pytest.approx(2 / 3)
