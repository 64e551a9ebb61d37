import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from haiga.errors import DataError
from haiga.evaluation.conditions import (
    CONDITIONS,
    GREY,
    USUAL,
    Item,
    images,
    item_from,
    shuffle,
)
from haiga.models.variants import VARIANTS
from haiga.records import IMAGE, Answer, Group, Message, Picture, assistant, user
from haiga.teachers.tasks import instructions
from haiga.world.poets import POETS

SCENE = {
    "season": "autumn",
    "hour": "night",
    "weather": "clear",
    "setting": "sea",
    "things": ["boat", "moon"],
}


def item(i, picture, cluster="", prompt=(IMAGE, "\nWrite a haiku.")):
    return Item(
        id=str(i),
        prompt=(user(*prompt),),
        pictures=(Picture(picture),),
        reference=f"poem {i}",
        truth={"scene": SCENE | {"id": str(i)}},
        cluster=cluster,
    )


pairs = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8)), min_size=2, max_size=40)


@given(pairs, st.integers(0, 2**32))
def test_shuffled_is_a_derangement_of_pictures(rows, seed):
    clusters = {p: f"c{c}" for p, c in rows}
    items = [item(i, f"p{p}", clusters[p]) for i, (p, _) in enumerate(rows)]
    shown = [each.pictures for each in items]
    most = max(shown.count(each) for each in shown)
    if most > len(items) // 2:
        with pytest.raises(DataError, match="cannot be shuffled"):
            shuffle(items, seed)
        return
    shuffled = shuffle(items, seed)
    assert all(a.pictures != b.pictures for a, b in zip(items, shuffled, strict=True))
    assert sorted(p[0].id for p in shown) == sorted(e.pictures[0].id for e in shuffled)
    # Only the picture changes hands: question, reference and truth stay.
    assert [replace(e, pictures=()) for e in items] == [replace(e, pictures=()) for e in shuffled]
    sizes = [e.cluster for e in items]
    if max(sizes.count(c) for c in sizes) <= len(items) // 2:
        for ours, theirs in zip(items, shuffled, strict=True):
            assert clusters[theirs.pictures[0].id[1:] and int(theirs.pictures[0].id[1:])] != (
                ours.cluster
            )


def test_shuffle_depends_on_the_seed_and_on_nothing_else():
    items = [item(i, f"p{i}") for i in range(20)]
    assert shuffle(items, 1) == shuffle(items, 1)
    assert shuffle(items, 1) != shuffle(items, 2)


def test_items_trade_only_with_items_of_as_many_pictures():
    two = [
        Item(id=f"two {i}", prompt=(user(IMAGE, IMAGE),), pictures=(Picture(f"a{i}"), Picture("b")))
        for i in range(2)
    ]
    text = Item(id="text", prompt=(user("Hello."),))
    shuffled = shuffle([two[0], item(1, "x"), text, item(2, "y"), two[1]], 0)
    assert [p.id for p in shuffled[0].pictures] == ["a1", "b"]
    assert shuffled[1].pictures == (Picture("y"),)
    assert shuffled[2] == text


def test_blind_takes_the_picture_and_its_place_and_keeps_the_question():
    asked = item(1, "p", prompt=(IMAGE, "\nWrite a haiku."))
    (blind,) = CONDITIONS["blind"].transform([asked], 0)
    assert blind.pictures == ()
    assert blind.prompt == (Message("user", ("Write a haiku.",)),)
    assert blind.truth == asked.truth
    assert CONDITIONS["blind_lm"].transform([asked], 0) == [blind]


def test_grey_is_uniform_and_of_the_pictures_own_size():
    buffer = io.BytesIO()
    Image.new("RGB", (7, 5), (200, 10, 10)).save(buffer, "PNG")
    (grey,) = CONDITIONS["grey"].transform([item(1, "p")], 0)
    (shown,) = images(grey, {"p": buffer.getvalue()})
    assert shown.size == (7, 5)
    assert shown.getcolors() == [(35, GREY)]
    (full,) = images(item(1, "p"), {"p": buffer.getvalue()})
    assert full.getcolors() == [(35, (200, 10, 10))]


def test_every_condition_keeps_all_items_in_order_and_says_what_it_removes():
    items = [asked(str(i), ("haiku", "noir")[i % 2]) for i in range(6)]
    for condition in CONDITIONS.values():
        assert [e.id for e in condition.transform(items, 0)] == [e.id for e in items]
        assert condition.removes
    assert list(USUAL) == ["full", "blind", "blind_lm", "shuffled", "grey", "random_projector"]
    assert set(CONDITIONS) - set(USUAL) == {
        "wrong_style", "no_style", "tag", "wrong_tag", "in_words", "in_words_lm", "best_of",
        *VARIANTS,
    }  # fmt: skip


def asked(id, task, language="en", words=0, prefix="\n"):
    text = prefix + instructions(task, language)[words]
    return replace(item(id, f"p{id}", prompt=(IMAGE, text)), id=id, task=task, language=language)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_another_style_is_asked_for_in_the_place_of_the_items_own(language):
    tasks = ("haiku", "noir", "museum")
    items = [asked(str(i), tasks[i % 3], language, words=i % 2) for i in range(60)]
    posed = CONDITIONS["wrong_style"].transform(items, 3)
    wrong = set()
    for ours, theirs in zip(items, posed, strict=True):
        assert replace(theirs, prompt=ours.prompt) == ours
        assert theirs.prompt[0].parts[0] is IMAGE
        text = theirs.prompt[0].parts[1]
        meant = next(t for t in tasks if text.removeprefix("\n") in instructions(t, language))
        wrong.add((ours.task, meant))
    assert wrong == {(a, b) for a in tasks for b in tasks if a != b}
    assert posed == CONDITIONS["wrong_style"].transform(items, 3)
    assert posed != CONDITIONS["wrong_style"].transform(items, 4)


def test_no_style_is_asked_for_in_words_that_no_task_has():
    (posed,) = CONDITIONS["no_style"].transform([asked("1", "noir")], 0)
    assert posed.prompt[0].parts[1].removeprefix("\n") in instructions("any", "en")
    assert posed.task == "noir"
    for task in POETS:
        for language in ("en", "ja"):
            own = instructions(task, language)
            assert set(own).isdisjoint(instructions("any", language))


def test_a_tag_asks_for_the_items_own_style_or_for_another_without_a_word():
    items = [asked(str(i), ("haiku", "noir")[i % 2], words=i % 2) for i in range(8)]
    for ours, right, wrong in zip(
        items, CONDITIONS["tag"].transform(items, 0), CONDITIONS["wrong_tag"].transform(items, 0),
        strict=True,
    ):  # fmt: skip
        other = "noir" if ours.task == "haiku" else "haiku"
        assert right.prompt == (user(IMAGE, f"\n[STYLE: {ours.task}]"),)
        assert wrong.prompt == (user(IMAGE, f"\n[STYLE: {other}]"),)
        assert right.task == wrong.task == ours.task


def test_words_stand_in_the_place_of_a_picture():
    shown = item(3, "p", prompt=(IMAGE, "\nWrite a haiku."))
    (told,) = CONDITIONS["in_words"].transform([shown], 0)
    assert told.pictures == ()
    sentence, question = told.prompt[0].text.split("\n")
    assert question == "Write a haiku."
    for word in ("autumn", "night", "sea", "boat", "moon"):
        assert word in sentence
    assert CONDITIONS["in_words_lm"].transform([shown], 0) == [told]
    assert CONDITIONS["in_words"].transform([shown], 1) != [told]
    with pytest.raises(DataError, match="Item 3: what is in its picture is not known"):
        CONDITIONS["in_words"].transform([replace(shown, truth={})], 0)


def test_a_description_and_earlier_turns_stay():
    before = (Message("system", ("Be brief.",)), user("Hello."), assistant("Hello."))
    plain = asked("1", "noir", prefix="a boat, the sea\n")
    (posed,) = CONDITIONS["no_style"].transform(
        [replace(plain, prompt=(*before, *plain.prompt))], 0
    )
    assert posed.prompt[:3] == before
    assert posed.prompt[3].text.startswith("a boat, the sea\n")
    assert len(posed.prompt) == 4


def test_the_same_words_are_no_other_style():
    items = [asked("1", "haiku"), asked("2", "bare")]  # both are asked for a haiku
    with pytest.raises(DataError, match=r"another style than 'haiku' in 'en'.*two tasks or more"):
        CONDITIONS["wrong_style"].transform(items, 0)


def test_words_that_are_not_known_cannot_be_exchanged():
    odd = replace(asked("1", "noir"), prompt=(user(IMAGE, "\nBe dark."),))
    with pytest.raises(DataError, match="Item 1: its prompt does not end with words that ask for"):
        CONDITIONS["no_style"].transform([odd], 0)


def test_item_from_takes_the_first_chosen_answer_as_reference():
    group = Group(
        id="g",
        prompt=(user(IMAGE, "Write."),),
        answers=(Answer((assistant("bad"),), "rejected"), Answer((assistant("good"),))),
        pictures=(Picture("p"),),
        task="haiku",
        cluster="c",
        meta={"scene": {"id": "1"}},
    )
    made = item_from(group)
    assert (made.reference, made.task, made.cluster) == ("good", "haiku", "c")
    assert made.truth == {"scene": {"id": "1"}}
