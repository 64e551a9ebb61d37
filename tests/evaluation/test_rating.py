"""A judge of answers, by what the floating world's prints show, on loopback."""

import io
import json
from dataclasses import replace

import pytest
from PIL import Image

from haiga import events
from haiga.errors import DataError
from haiga.evaluation.rating import asking
from haiga.evaluation.rating.attacks import ATTACKS
from haiga.evaluation.rating.hearing import Hearing, Settings, parts, standing
from haiga.evaluation.rating.rubric import Bench, compare, plain, rate
from haiga.records import Picture
from haiga.teachers import TEACHERS
from haiga.teachers.client import Pace
from haiga.teachers.estimate import estimate
from haiga.teachers.exchanges.words import fenced_off
from haiga.teachers.prices import price_of
from haiga.teachers.views import view
from judges import gullible, items, judge, pictures, poem
from providers import KEY, claude, served

COUNT = 12
BENCH = Bench({"name": "test"}, pictures(COUNT))


def hearing(cells=None, **settings) -> Hearing:
    chosen = {"repeats": 1, "controls": COUNT} | settings
    starts = {"dpo": "sft"}
    return Hearing(BENCH, items(COUNT), cells or {}, starts, Settings(**chosen), seed=0)


def answers(shift: int = 0, seed: int = 1) -> list[str]:
    """To each print a poem, of the print itself or of another."""
    return [poem((number + shift) % COUNT, seed) for number in range(COUNT)]


CELLS = {
    "sft": {"full": answers(5), "blind": [""] * COUNT, "shuffled": answers(3)},
    "dpo": {"full": answers(), "blind": answers(7), "shuffled": answers(4)},
}


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


def heard(hearing: Hearing, script, folder):
    """Everything asked of a judge on loopback, and the server."""
    with served(script=script) as provider:
        one = Pace(at_once=1)  # in order
        teacher = TEACHERS["anthropic"](model="m", max_dollars=1, base_url=provider.url, pace=one)
        path = folder / "judgements.jsonl"
        found = asking.ask(teacher, hearing.questions(), path, lambda event: None)
    return hearing.result(found), found, provider


def test_a_judge_that_sees_tells_stages_and_controls_apart(tmp_path):
    result, _, provider = heard(hearing(CELLS), judge(COUNT), tmp_path)
    assert standing(result, rehearsal=False, labelled=False) == {
        "status": "uncalibrated", "why": []}  # fmt: skip
    assert result["failed"] == 0
    assert result["asked"] == len(provider.asked) == len(events.read(tmp_path / "judgements.jsonl"))
    profile = result["profile"]
    assert profile["dpo"]["full"]["grounding"]["mean"] > 4
    assert profile["dpo"]["full"]["grounding"]["low"] > profile["sft"]["full"]["grounding"]["high"]
    # No answer is the worst answer on every axis, and has a place.
    for axis in ("grounding", "style", "craft", "form"):
        cell = profile["sft"]["blind"][axis]
        assert (cell["mean"], cell["low"], cell["n"]) == (1, 1, COUNT)
        assert cell["high"] > 1.5  # twelve times nothing is not surely nothing
    duels = {(row["stage"], row["against"]): row for row in result["duels"]}
    assert list(duels) == [("sft", "reference"), ("dpo", "sft"), ("dpo", "reference")]
    assert duels["dpo", "sft"]["mean"] > 0.8
    assert duels["dpo", "sft"]["moved"]
    assert duels["sft", "reference"]["mean"] < 0.2
    assert duels["dpo", "sft"]["flipped"]["mean"] == 0
    controls = result["controls"]
    assert controls["wrong_picture"]["mean"] > 0.95
    assert controls["cases"]["grey"]["grounding"] == 1
    assert controls["rises"].keys() == ATTACKS.keys()
    assert not controls["faults"]


def test_what_is_known_is_not_asked_again_and_a_cut_line_is(tmp_path):
    all_of_it = hearing()
    result, _, first = heard(all_of_it, judge(COUNT), tmp_path)
    path = tmp_path / "judgements.jsonl"
    path.write_text(path.read_text()[:-20])
    again, _, second = heard(all_of_it, judge(COUNT), tmp_path)
    assert len(second.asked) == 1 < len(first.asked)
    assert again == result


def test_a_judge_that_can_be_bribed_is_caught(tmp_path):
    result, _, _ = heard(hearing(), judge(COUNT, gullible), tmp_path)
    found = standing(result, rehearsal=False, labelled=True)
    assert found["status"] == "unreliable"
    said = "; ".join(found["why"])
    assert "can be bribed" in said
    assert "ignore" in said
    assert "prefers good texts to a bribing one" in said
    # And only that: it sees its pictures.
    assert "does not see" not in said


def test_a_judge_that_sees_nothing_is_caught(tmp_path):
    def blind(number, texts, found):
        good = {"grounding": 4, "style": 4, "craft": 4} if "grounding" in found else {}
        return {**found, **good} if good else {**found, "better": "equal"}

    result, _, _ = heard(hearing(), judge(COUNT, blind), tmp_path)
    assert result["controls"]["wrong_picture"]["mean"] == 0.5
    found = standing(result, rehearsal=False, labelled=False)
    assert found["status"] == "unreliable"
    assert [line.startswith("the judge does not see") for line in found["why"][:2]] == [True] * 2


def test_a_failure_keeps_its_place_and_speaks_against_the_claim(tmp_path):
    blank = {"dpo": {"full": answers(), "shuffled": answers(4)}, "sft": {"full": answers(5)}}
    doubted = hearing(blank)
    questions = [
        *(rate(BENCH, items(COUNT)[at], answers()[at]) for at in range(3)),
        compare(BENCH, items(COUNT)[0], poem(0, 1), poem(5, 1)),
    ]
    lost = [(each.request.prompt, view(each.request.pictures[0], 896)) for each in questions]
    sees = judge(COUNT)

    def asked_of(body):
        shown, said = body["messages"][0]["content"]
        return said["text"], shown["source"]["data"]

    def script(number, body):
        return claude("I cannot say.") if asked_of(body) in lost else sees(number, body)

    result, _, provider = heard(doubted, script, tmp_path)
    assert result["failed"] == 4
    # Each was asked three times.
    asked = [asked_of(body) for body in provider.asked]
    assert {asked.count(each) for each in lost} == {3}
    cell = result["profile"]["dpo"]["full"]["grounding"]
    assert cell["n"] == COUNT
    assert cell["best"] - cell["mean"] == pytest.approx(3 * 4 / COUNT)
    duel = next(row for row in result["duels"] if row["against"] == "sft")
    assert duel["outcomes"]["missing"] == 1
    assert duel["n"] == COUNT
    assert duel["best"] - duel["mean"] == pytest.approx(1 / COUNT)
    # 4 of some 200 are borne; with more, nothing is a headline.
    assert standing(result, rehearsal=False, labelled=False)["status"] == "uncalibrated"
    more = standing({**result, "failed": 9}, rehearsal=False, labelled=False)
    assert more["status"] == "invalid"
    assert "9 of" in more["why"][0]
    assert "did not answer with a" in more["why"][0]


def test_when_most_fail_nothing_is_decided(tmp_path):
    with pytest.raises(DataError, match="judgements failed"):
        heard(hearing(), lambda number, body: claude("no"), tmp_path)


def test_position_alone_is_no_preference(tmp_path):
    def first(number, texts, found):
        return {**found, "better": "first"} if "better" in found else found

    result, _, _ = heard(hearing(CELLS), judge(COUNT, first), tmp_path)
    row = result["duels"][1]
    assert row["mean"] == 0.5
    assert row["flipped"]["mean"] == 1
    assert not row["valid"]
    assert not row["moved"]
    assert row["detectable"] is None or row["detectable"] > 0


def test_repeats_measure_the_judges_own_noise(tmp_path):
    def wavers(number, texts, found):
        return {**found, "craft": 3 + number % 2} if "craft" in found else found

    cells = {"dpo": {"full": answers(), "shuffled": answers(4)}}
    result, _, _ = heard(hearing(cells, repeats=2), judge(COUNT, wavers), tmp_path)
    steady = result["steadiness"]
    assert steady["grounding"]["sd"] == 0
    assert steady["craft"]["sd"] == pytest.approx(0.5**0.5)
    assert steady["craft"]["alpha"] < 0.2
    assert steady["craft"]["n"] == COUNT
    assert steady["style"]["alpha"] is None  # all alike


def test_shares_for_the_tables_of_the_run(tmp_path):
    few = hearing(CELLS)
    result, found, _ = heard(few, judge(COUNT), tmp_path)
    rows = parts(few, found, [*items(COUNT), items(COUNT + 1)[-1]], "judged")
    cell = rows["dpo", "full"]["judged_grounding"]
    assert cell[-1] is None  # was not judged
    mean = sum(part.numerator for part in cell[:-1]) / COUNT
    assert 1 + 4 * mean == pytest.approx(result["profile"]["dpo"]["full"]["grounding"]["mean"])


def test_too_few_good_texts_are_no_controls():
    few = Hearing(BENCH, items(COUNT)[:5], {}, {}, Settings(), seed=0)
    assert few.controls.look(asking.Judgements())["faults"] == [
        "there are 5 good texts to try it on, and 8 are needed"
    ]
    assert few.questions() == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_text_cannot_leave_its_marks(attack):
    text = ATTACKS[attack]("an old pond\na frog\nsplash")
    prompt = rate(BENCH, items(COUNT)[0], text).request.prompt
    _, judged = fenced_off(prompt)
    assert judged.startswith(("an old pond", "[[A]]"))
    assert prompt.count("<text ") == 2 == prompt.count("\n</text ")
    assert "\u200b" not in prompt
    assert "\u202e" not in prompt


def test_a_judge_is_told_no_more_than_it_should_know():
    question = rate(BENCH, items(COUNT)[0], "**An old pond**\n> a frog\n# splash `x`")
    assert plain("**An old pond**\n> a frog\n# splash") == "An old pond\na frog\nsplash"
    request = question.request
    assert "5-7-5 not kept, 3 lines" in request.prompt
    assert "data" in request.system
    assert "boat" not in request.system
    said = json.dumps(request.schema)
    assert all(name in said for name in ("evidence", "grounding", "style", "craft", "flags"))
    assert next(iter(request.schema["properties"])) == "evidence"
    assert "form" not in request.schema["properties"]


def test_questions_of_another_picture_judge_or_repeat_are_others():
    item, other = items(COUNT)[:2]
    same = rate(BENCH, item, "a").key
    assert rate(BENCH, item, "a").key == same
    again = [
        rate(BENCH, other, "a"),
        rate(BENCH, item, "b"),
        rate(BENCH, item, "a", 1),
        rate(Bench({"name": "else"}, BENCH.pictures), item, "a"),
    ]
    assert len({same, *(question.key for question in again)}) == 5


def test_r8_an_audit_of_200_pictures_costs_less_than_ten_cents():
    """Claude Haiku 5.5, a picture of 896 x 896 each, a poem scored once: estimated, not asked."""
    buffer = io.BytesIO()
    Image.new("RGB", (896, 896)).save(buffer, "PNG")
    bench = Bench({}, {"big": buffer.getvalue()})
    item = replace(items(COUNT)[0], pictures=(Picture("big"),))
    teacher = TEACHERS["anthropic"](model="claude-haiku-5-5", max_dollars=1)
    requests = [rate(bench, item, poem(n % COUNT, n)).request for n in range(200)]
    cost = estimate(teacher, requests, price_of(teacher.model, {}))
    assert cost.calls == 200
    assert 0.03 < cost.dollars < 0.10
