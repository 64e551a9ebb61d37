import json

import pytest

from haiga.evaluation.conditions import Item
from haiga.evaluation.hallucination import checks, evaluate, literal, read, vocabulary
from haiga.evaluation.run import Stage
from haiga.evaluation.run import evaluate as ask
from haiga.records import IMAGE, Picture, user
from haiga.world.lexicon import lexicon
from haiga.world.scenes import scene


def item(id, task, **truth):
    return Item(
        id, (user(IMAGE, "\nWrite."),), (Picture(id),), truth=truth, task=task, cluster=f"c{id}"
    )


def shares(items, answers):
    found = {}
    for name, check in checks(items).items():
        parts = [part for part in check.score(items, answers) if part is not None]
        if parts:
            found[name] = sum(p.numerator for p in parts) / sum(p.denominator for p in parts)
    return found


def test_chair_of_descriptions_counts_mentions_and_silence():
    items = [
        item("a", "describe", objects=["dog", "wine glass"]),
        item("b", "describe", objects=["boat"]),
        item("c", "describe", objects=["boat"]),
        item("d", "describe"),  # nobody knows what it shows
    ]
    answers = [
        "A dog chases two dogs near a boat and some wine glasses.",  # 4 mentions, the boat false
        "There is a boat on the water.",
        "",  # counts as one false mention
        "A dog is in the garden today.",
    ]
    assert shares(items, answers) == {
        "chair_i": pytest.approx(2 / 6), "chair_s": pytest.approx(2 / 3),
        "recall": pytest.approx(3 / 4),
    }  # fmt: skip


def test_poems_are_held_to_what_they_say_literally():
    scenes = {**scene(0, 0).to_dict(), "things": ["bridge", "moon"]}
    items = [item("a", "haiku", scene=scenes), item("b", "haiku", scene=scenes)]
    answers = [
        "the bridge at evening\nbent as softly as a crane\nunder the moonlight",
        "a cat on the bridge\nnobody comes home tonight\nthe lantern is lit",
    ]
    # bridge, moon | cat, bridge, lantern: three of five; the crane is a figure.
    assert shares(items, answers) == {"mention_precision": pytest.approx(3 / 5)}
    assert shares(items, ["", ""]) == {"mention_precision": 0}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("like a lantern\nthe moon", {"moon"}),
        ("the cat is like a drum, a crow", {"cat", "crow"}),
        ("i like the moon", {"moon"}),
        ("as the moon rises", {"moon"}),
        ("as if the horse knew", set()),
        ("a moon-like lantern", {"lantern"}),
        ("as red as the gate", set()),
    ],
)
def test_figures(text, names):
    found = literal(text, lexicon("en", "things"))
    assert frozenset().union(*found) == names


def test_figures_in_japanese():
    words = lexicon("ja", "things")
    assert literal("提灯のごとく月のぼる", words) == [{"moon"}]
    assert literal("鶴のような舟", words) == [{"boat"}]
    assert literal("鶴の舟", words) == [{"crane"}, {"boat"}]


def test_a_sets_own_names_are_looked_for_in_singular_and_plural():
    words = vocabulary([item("a", "describe", objects=["wine glass", "person"])], "en")
    assert words == {"person": ("person", "people"), "wine glass": ("wine glass", "wine glasses")}


def test_it_is_counted_in_answers_that_are_there(tmp_path):
    items = [item(f"i{at}", "describe", objects=["boat"]) for at in range(12)]

    def writes(asked):
        return ["A boat lies on the water." if i.pictures else "The cat sleeps." for i in asked]

    ask({"sft": Stage("w", writes)}, items, tmp_path, conditions=["full", "blind"])
    found = evaluate(items, tmp_path)
    assert found["sft"]["full"]["chair_i"]["mean"] == 0
    assert found["sft"]["full"]["chair_i"]["n"] == 12
    assert found["sft"]["blind"]["chair_s"]["mean"] == 1  # names nothing that is looked for
    assert read(tmp_path) == found == json.loads((tmp_path / "hallucination.json").read_text())


def test_nothing_is_said_where_nobody_knows(tmp_path):
    assert evaluate([item("a", "haiku")], tmp_path) == {} == read(tmp_path)
