"""Preference sets, row by row, in the form in which they are published."""

import json

import pytest

from haiga.records import IMAGE, user
from haiga.sources.conversations import RowFault
from haiga.sources.preferences import llava_rlhf, mmpr, povid, rlaif_v, rlhf_v, vlfeedback

PAIR = {"question": "What is it?", "chosen": "A boat.", "rejected": "A cat."}
IMAGE_CELL = {"bytes": b"...", "path": "0.jpg"}


def _sides(talk):
    return [(answer.kind, answer.source, answer.text) for answer in talk.answers]


def test_rlaif_v():
    row = {
        **PAIR,
        "ds_name": "RLAIF-V",
        "image": IMAGE_CELL,
        "origin_dataset": "COCO",
        "origin_split": '{"model": "OmniLMM", "type": "detailed_description"}',
        "idx": "0",
        "image_path": "./RLAIF-V-Dataset/0.jpg",
    }
    talk = rlaif_v(row)
    assert talk.prompt == (user(IMAGE, "\nWhat is it?"),)
    assert talk.pictures == (IMAGE_CELL,)
    assert _sides(talk) == [("chosen", "source", "A boat."), ("rejected", "source", "A cat.")]


def test_rlhf_v_has_its_texts_in_a_text():
    talk = rlhf_v({"text": json.dumps(PAIR), "image": IMAGE_CELL, "idx": 0, "ds_name": "RLHF-V"})
    assert talk == rlaif_v({**PAIR, "image": IMAGE_CELL})
    for bad in ("{", "[1]", None, "[" * 100_000):
        with pytest.raises(RowFault, match="its text is no JSON object"):
            rlhf_v({"text": bad, "image": IMAGE_CELL})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rejected": "A boat."}, "two answers are equal"),
        ({"chosen": ""}, "no chosen"),
        ({"rejected": None}, "no rejected"),
        ({"question": " "}, "no question"),
        ({"image": None, "question": "<image> x"}, "1 places for 0 pictures"),
        ({"rejected": "<image>\nA cat."}, "a picture's place in an answer"),
    ],
)
def test_pairs_that_cannot_be_used_say_why(change, reason):
    with pytest.raises(RowFault, match=reason):
        rlaif_v({**PAIR, "image": IMAGE_CELL, **change})


def _completion(model, *ratings):
    names = ("Helpfulness", "Ethical Considerations", "Visual Faithfulness")
    notes = {n: {"Rating": r, "Rationale": "."} for n, r in zip(names, ratings, strict=True)}
    return {"annotations": notes, "model": model, "response": f"by {model}"}


FOUR = [
    _completion("qwen", "3", "5", "4"),
    _completion("gpt4v", "5", "5", "4"),
    _completion("llava", "N/A", "N/A", "N/A"),
    _completion("fuyu", "1", "5", "N/A"),
]


def test_vlfeedback_sets_the_best_against_all_that_are_worse():
    row = {"id": "x", "prompt": "What?", "models": ["a"], "completions": FOUR, "img_path": "7.jpg"}
    talk = vlfeedback(row)
    assert _sides(talk) == [
        ("chosen", "gpt4v", "by gpt4v"),
        ("rejected", "qwen", "by qwen"),
        ("rejected", "fuyu", "by fuyu"),
    ]
    assert talk.pictures == ("7.jpg",)
    turned = {key: [each[key] for each in FOUR] for key in FOUR[0]}
    assert vlfeedback({**row, "completions": turned}) == talk
    with pytest.raises(RowFault, match="no answer is better than another"):
        vlfeedback({**row, "completions": [FOUR[0], {**FOUR[0], "model": "b"}]})
    with pytest.raises(RowFault, match="no rated answer"):
        vlfeedback({**row, "completions": [FOUR[2]]})
    with pytest.raises(RowFault, match="no completions"):
        vlfeedback({**row, "completions": None})


def _turns(*values):
    return [
        {"from": "gpt" if at % 2 else "human", "value": value} for at, value in enumerate(values)
    ]


def test_povid_repeats_its_question():
    row = {"id": "1", "image": "a.jpg", "conversations": _turns("<image>\nWhat?", "A boat.")}
    talk = povid({**row, "rejected_conversations": _turns("<image>\nWhat?", "A cat.")})
    assert talk.prompt == (user(IMAGE, "\nWhat?"),)
    assert [text for *_, text in _sides(talk)] == ["A boat.", "A cat."]
    with pytest.raises(RowFault, match="different questions"):
        povid({**row, "rejected_conversations": _turns("<image>\nWhich?", "A cat.")})


@pytest.mark.parametrize("preference", [1, 2])
def test_llava_rlhf_puts_an_output_in_the_last_place(preference):
    turns = _turns("<image>\nWhat?", "A boat.", "Which?", "to be replaced")
    outputs = {
        f"output_{n}": {"from": "gpt", "value": value} for n, value in ((1, "one"), (2, "two"))
    }
    row = {"image": "a.jpg", "conversations": [turns], **outputs, "preference": preference}
    talk = llava_rlhf(row)
    assert [turn.role for turn in talk.prompt] == ["user", "assistant", "user"]
    first, second = ("one", "two") if preference == 1 else ("two", "one")
    assert _sides(talk) == [("chosen", "source", first), ("rejected", "source", second)]
    with pytest.raises(RowFault, match="no preference"):
        llava_rlhf({**row, "preference": 0})


def test_mmpr_marks_no_places_or_all():
    talk = mmpr({**PAIR, "image": ["a.jpg", "b.jpg"]})
    assert talk.prompt == (user(IMAGE, IMAGE, "\nWhat is it?"),)
    talk = mmpr({**PAIR, "question": "<image> and <image>?", "image": ["a.jpg", "b.jpg"]})
    assert talk.prompt == (user(IMAGE, " and ", IMAGE, "?"),)


@pytest.mark.parametrize(
    "text", ["As an AI, I can't see images.", "I am unable to directly view the picture you sent."]
)
def test_mmpr_does_not_choose_blindness(text):
    with pytest.raises(RowFault, match="the chosen answer sees no picture"):
        mmpr({**PAIR, "chosen": text, "image": "a.jpg"})
    assert mmpr({**PAIR, "rejected": text, "image": "a.jpg"}).answers[1].text == text
    assert mmpr({**PAIR, "chosen": "She cannot see him. A picture hangs there.", "image": "a"})
