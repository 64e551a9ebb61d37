"""Exchanges about texts: what becomes of the texts, of pairs and of traces, and of failures."""

import json

import pytest

from haiga.curation.captions import fault
from haiga.curation.exchanging import Bound, exchange
from haiga.curation.groups import groups_of
from haiga.curation.rows import paired
from haiga.curation.run import _sorted_out
from haiga.errors import TeacherError
from haiga.recipe.checks import traces_of
from haiga.records import IMAGE, assistant, user
from haiga.teachers.exchanges import EXCHANGES, Held, Written
from haiga.training.preferences import one_sided, two_sided

ROW = {
    "id": "r1",
    "meta": "{}",
    "pictures": ["p1"],
    "language": "en",
    "cluster": "r1",
    "measurements": json.dumps({"p1": {"width": 8, "height": 8}}),
    "conversation": "",
}


class Silent:
    name, at_once = "silent", 1

    def ask(self, request):
        raise AssertionError("the exchanges of this test ask nobody")


def said(*texts, task="haiku"):
    return [{"task": task, "source": "silent", "text": text} for text in texts]


def held(texts, *exchanges, at_once=1):
    """What `exchange` makes of one row's texts."""
    teacher = Silent()
    teacher.at_once = at_once
    pictures = {"p1": b"picture"}
    (found,) = exchange(teacher, [ROW], [texts], pictures, {"haiku": exchanges})
    return found


def reworded(teacher, request, texts):
    """A better text for one that begins with "bad"; it fails on one that begins with "deaf"."""
    (text,) = texts
    if text.startswith("deaf"):
        raise TeacherError("nobody heard")
    if not text.startswith("bad"):
        return Held((Written(text),), {"verdict": "keep"})
    better = f"good{text[3:]}"
    trace = (user(IMAGE, "\nask"), assistant(text), user("doubt"), assistant("- faults"))
    trace = (*trace, user("again"), assistant(better))
    note = {"verdict": "revise"}
    return Held((Written(better), Written(text, of=better), Written(better, trace=trace)), note)


def spoilt(teacher, request, texts):
    (text,) = texts
    return Held((Written(text), Written(f"{text}, five moons", of=text)), {"kind": "count"})


CRITIQUE, CHANGE = Bound("critique", reworded, 1), Bound("hallucinate", spoilt, 1)


def test_a_better_text_takes_its_drafts_place_and_a_failure_leaves_it():
    found = held([*said("bad one", "fine", "deaf"), *said("other", task="bare")], CRITIQUE)
    haiku = [(t["text"], t.get("of")) for t in found.texts if t["task"] == "haiku"]
    assert haiku == [("deaf", None), ("good one", None), ("bad one", "good one"), ("fine", None)]
    assert [t["text"] for t in found.texts if t["task"] == "bare"] == ["other"]
    (trace,) = [t for t in found.texts if t["task"] == traces_of("haiku") == "haiku_critique"]
    assert [m["role"] for m in json.loads(trace["prompt"])] == ["user", "assistant", "user"]
    assert [m["role"] for m in json.loads(trace["turns"])] == ["assistant", "user", "assistant"]
    assert found.failures == ["haiku, critique: nobody heard"]
    assert found.calls == 3
    assert [note["verdict"] for note in found.notes] == ["revise", "keep"]


def test_exchanges_follow_one_another_on_what_is_chosen_then():
    found = held(said("bad one", "fine"), CRITIQUE, CHANGE)
    pairs = {t["text"]: t["of"] for t in found.texts if t.get("of")}
    assert pairs == {
        "bad one": "good one",
        "good one, five moons": "good one",
        "fine, five moons": "fine",
    }
    assert found.calls == 4


def test_two_texts_at_a_time_and_the_odd_one_stays():
    def worse(teacher, request, texts):
        return Held((Written(texts[1]), Written(texts[0], of=texts[1])), {})

    found = held(said("a", "b", "c"), Bound("preference", worse, 2))
    assert [(t["text"], t.get("of")) for t in found.texts] == [
        ("c", None), ("b", None), ("a", "b"),
    ]  # fmt: skip


def test_groups_have_pairs_side_by_side_and_a_trace_its_own_prompt():
    found = held(said("deaf", "bad one", "bad two", "fine"), CRITIQUE, CHANGE)
    row = {**ROW, "answers": [dict(text) for text in found.texts]}
    groups = {group.id: group for group in groups_of(row, 0)}
    assert set(groups) == {"r1/haiku", "r1/haiku_critique/0", "r1/haiku_critique/1"}
    haiku, trace = groups["r1/haiku"], groups["r1/haiku_critique/1"]
    assert [message.role for message in trace.prompt] == ["user", "assistant", "user"]
    assert trace.prompt[0].images == 1
    assert [message.role for message in trace.answers[0].messages] == [
        "assistant", "user", "assistant",
    ]  # fmt: skip
    (pairs,), dropped = two_sided([haiku], "given", ["haiku"], 0)
    sides = [[a.text for a in pairs.answers if a.kind == k] for k in ("chosen", "rejected")]
    assert dropped == {}
    assert list(zip(*sides, strict=True)) == [
        ("good one", "bad one"),
        ("good two", "bad two"),
        ("deaf", "deaf, five moons"),
        ("fine", "fine, five moons"),
    ]
    # Who learns to write sees none of the rejected ones.
    (plain,), _ = one_sided([haiku])
    assert {a.text for a in plain.answers} == {"good one", "good two", "deaf", "fine"}


def test_texts_without_pairs_keep_their_order():
    texts = said("a", "b", "c")
    assert paired(texts) == texts


def test_a_rejected_answer_and_a_trace_go_where_their_text_goes():
    found = held(said("bad: http://a.b", "bad one"), CRITIQUE)
    row = {**ROW, "answers": found.texts}

    def plain(text, language):
        return "address" if "http" in text else None

    rules = {task: [plain] for task in ("haiku", "haiku_critique")}
    good, bad = _sorted_out(row, rules)
    assert {text["text"] for text in good} == {"good one", "bad one"}
    assert len(good) == len(bad) == 3
    assert fault("bad one", "en", [plain]) is None


@pytest.mark.parametrize("at_once", [1, 3])
def test_rows_keep_their_order(at_once):
    rows = [{**ROW, "id": f"r{n}"} for n in range(7)]
    texts = [said(f"bad {n}") for n in range(7)]
    teacher = Silent()
    teacher.at_once = at_once
    found = exchange(teacher, rows, texts, {"p1": b"x"}, {"haiku": [CRITIQUE]})
    assert [each.texts[0]["text"] for each in found] == [f"good {n}" for n in range(7)]


def test_every_exchange_says_how_many_texts_it_is_about():
    assert {name: each.takes for name, each in EXCHANGES.items()} == {
        "critique": 1, "preference": 2, "hallucinate": 1, "claims": 2,
    }  # fmt: skip
