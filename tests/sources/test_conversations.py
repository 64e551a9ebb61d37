"""Shapes, row by row, in the form in which they are published."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.records import IMAGE, Answer, Group, Message, Picture, assistant, user
from haiga.sources.conversations import RowFault, as_messages, llava, marked, messages


def _llava(*turns, **row):
    said = [{"from": who, "value": value} for who, value in turns]
    return {"id": "1", "conversations": said, **row}


ASKED = ("human", "<image>\nWhat is this?")
TOLD = ("gpt", "A boat.")


def test_llava_pretraining_has_its_picture_last():
    row = _llava(("human", "Describe it.\n<image>"), TOLD, image="00453/004539375.jpg")
    talk = llava(row)
    assert talk.prompt == (user("Describe it.\n", IMAGE),)
    assert talk.answers[0].messages == (assistant("A boat."),)
    assert talk.pictures == ("00453/004539375.jpg",)


def test_llava_instructions_go_on_for_several_turns():
    talk = llava(_llava(ASKED, TOLD, ("human", "Which?"), ("gpt", "A ferry."), image="a.jpg"))
    assert talk.prompt == (user(IMAGE, "\nWhat is this?"),)
    assert talk.answers[0].messages == (assistant("A boat."), user("Which?"), assistant("A ferry."))


def test_a_picture_that_comes_later_moves_the_question_on():
    turns = [ASKED, TOLD, ("human", "And <image>?"), ("gpt", "A crow.")]
    talk = llava(_llava(*turns, images=["a.jpg", "b.jpg"]))
    assert [turn.role for turn in talk.prompt] == ["user", "assistant", "user"]
    assert talk.prompt[2] == user("And ", IMAGE, "?")
    assert talk.answers[0].messages == (assistant("A crow."),)


def test_llava_rows_of_text_alone():
    talk = llava(_llava(("human", "Hello"), ("gpt", "Hi"), model=""))
    assert (talk.prompt, talk.pictures) == ((user("Hello"),), ())


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (_llava(ASKED, TOLD), "1 places for 0 pictures"),
        (_llava(ASKED, TOLD, image=["a", "b"]), "1 places for 2 pictures"),
        (_llava(ASKED), "no answer"),
        (_llava(TOLD, ASKED), "no answer"),
        (_llava(ASKED, TOLD, TOLD, image="a"), "turns out of order"),
        (_llava(ASKED, ("gpt", "  "), image="a"), "an empty turn"),
        (_llava(ASKED, ("gpt", "<image> is"), image="a"), "a picture's place in an answer"),
        (_llava(ASKED, ("gpt", None), image="a"), "a turn without words"),
        (_llava(ASKED, ("bing", "x"), image="a"), "a turn of 'bing'"),
        ({"id": "1", "conversations": []}, "no conversations"),
        ({"id": "1"}, "no conversations"),
        (_llava(ASKED, TOLD, ("human", "?"), image="a"), "turns out of order|no answer"),
    ],
)
def test_llava_rows_that_cannot_be_used_say_why(row, reason):
    with pytest.raises(RowFault, match=f"^(?:{reason})$"):
        llava(row)


def _parts(*parts):
    """As Arrow hands them back: every key in every part."""
    return [
        {"type": "image", "text": None} if part is IMAGE else {"type": "text", "text": part}
        for part in parts
    ]


USER = {"role": "user", "content": _parts(IMAGE, "What is this?")}


def _assistant(text):
    return {"role": "assistant", "content": _parts(text)}


def test_messages_are_asked_for_their_type_and_not_for_their_keys():
    talk = messages({"images": ["a"], "messages": [USER, _assistant("A boat.")]})
    assert talk.prompt == (user(IMAGE, "What is this?"),)
    assert talk.answers[0].text == "A boat."


def test_messages_of_plain_text_get_their_pictures_in_front():
    rows = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "A boat."}]
    talk = messages({"image": "a", "messages": rows})
    assert talk.prompt == (user(IMAGE, "\nWhat?"),)
    system = {"role": "system", "content": "Be brief."}
    talk = messages({"images": ["a", "b"], "messages": [system, *rows]})
    assert talk.prompt == (
        Message("system", ("Be brief.",)),
        user(IMAGE, IMAGE, "\nWhat?"),
    )


def test_messages_of_a_preference():
    row = {"images": ["a"], "prompt": [USER], "chosen": [_assistant("yes")], "rejected": "no"}
    talk = messages(row)
    assert [(a.kind, a.text) for a in talk.answers] == [("chosen", "yes"), ("rejected", "no")]
    whole = {
        "images": ["a"],
        "chosen": [USER, _assistant("yes")],
        "rejected": [USER, _assistant("no")],
    }
    assert messages(whole) == talk


@pytest.mark.parametrize(("label", "kind"), [(True, "chosen"), (False, "rejected")])
def test_messages_of_an_unpaired_preference(label, kind):
    row = {"images": [], "prompt": "Why?", "completion": "So.", "label": label}
    (answer,) = messages(row).answers
    assert (answer.kind, answer.text) == (kind, "So.")


def test_pictures_inside_of_messages():
    content = [{"type": "image", "image": {"bytes": b"x", "path": None}, "text": None}]
    content += [{"type": "image", "path": "b.png"}, {"type": "text", "text": "?"}]
    row = {"messages": [{"role": "user", "content": content}, _assistant("Two.")]}
    assert messages(row).pictures == ({"bytes": b"x", "path": None}, "b.png")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": [USER], "images": ["a"]}, "no answer"),
        ({"text": "x"}, "neither messages nor a prompt"),
        ({"messages": "x"}, "no answer"),
        ({"messages": 3}, "messages are no messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "a turn of 'tool'"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "a part of the type"),
        ({"prompt": "a", "chosen": "b", "rejected": "b"}, "two answers are equal"),
        (
            {"chosen": [USER, _assistant("a")], "rejected": "b", "images": ["a"]},
            "chosen and rejected answer different questions",
        ),
    ],
)
def test_messages_that_cannot_be_used_say_why(row, reason):
    with pytest.raises(RowFault, match=reason):
        messages(row)


@given(st.lists(st.sampled_from(["<image>", "a\n", " ", "b<", "image>"])))
def test_marked_text_loses_nothing(pieces):
    text = "".join(pieces)
    parts = marked(text)
    assert "".join("<image>" if part is IMAGE else part for part in parts) == text
    assert all(part is IMAGE or (part and "<image>" not in part) for part in parts)


WORDS = st.text(st.characters(codec="utf-8"), min_size=1).filter(
    lambda text: text.strip() and "<image>" not in text
)


@given(
    st.lists(WORDS, min_size=1, max_size=3, unique=True),
    st.sampled_from([0, 1, 3]),
    st.integers(0, 2),
)
def test_messages_and_back(chosen, rejected, shown):
    answers = [Answer((assistant(text),), "chosen", "source") for text in chosen]
    worse = [f"{n}{text}" for n, text in enumerate(chosen)][:rejected]
    answers += [Answer((assistant(text),), "rejected", "source") for text in worse]
    pictures = tuple(Picture(str(n)) for n in range(shown))
    prompt = (Message("system", ("Be brief.",)), user(*[IMAGE] * shown, "Look: "))
    rows = list(as_messages(Group("g", prompt, tuple(answers), pictures), {"0": b"0", "1": b"1"}))
    assert len(rows) == len(chosen)
    back = [messages(row) for row in rows]
    assert {answer for talk in back for answer in talk.answers} == set(answers)
    assert {talk.prompt for talk in back} == {prompt}
    assert all(len(talk.pictures) == shown for talk in back)
    assert '": null' not in json.dumps([{**row, "images": []} for row in rows])


def test_a_rejected_answer_alone_goes_out_unpaired():
    group = Group("g", (user("?"),), (Answer((assistant("no"),), "rejected", "source"),))
    (row,) = as_messages(group, {})
    assert row["label"] is False
    assert messages(row).answers == group.answers
