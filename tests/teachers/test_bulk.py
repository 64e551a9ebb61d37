"""Questions in batches, at desks on loopback that behave as the providers' do."""

import json
from functools import partial

import pytest

from desks import CANCELED, EXPIRED, open_desk
from haiga.errors import BudgetError, RecipeError, TeacherError
from haiga.recipe.bind import bind
from haiga.teachers import TEACHERS, Request
from haiga.teachers.books import Books
from haiga.teachers.bulk import base, fetch
from haiga.teachers.bulk.slips import Slips
from haiga.teachers.exchanges import prefer
from haiga.teachers.opened import Asked, made_of, open_teacher, open_teachers
from providers import KEY, chat, claude, fault

PRICED = 1.3e-4 / 2
"""Dollars of an answer of Claude's in a batch: 1,100 tokens in, 40 out, half of 0.10, 0.50."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(fetch, "FIRST", 0.01)


class Home:
    """Where a run would keep its books."""

    def __init__(self, folder):
        self.folder, self.bills, self.said = folder, [], []

    def books(self):
        return Books(
            answers=self.folder / "answers",
            spend=self.bills.append,
            spent=lambda model: sum(b["dollars"] for b in self.bills if b["model"] == model),
            billed=lambda batch: {b["question"] for b in self.bills if b["batch"] == batch},
            say=self.said.append,
        )

    def slips(self, component):
        from haiga.store.files import fingerprint

        return Slips(self.folder / "answers" / "batches", fingerprint(made_of(component)))


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def component(url, name="anthropic", batch=100, **more):
    own = {
        "anthropic": {"model": "claude-haiku-5-5", "base_url": url},
        "openai_compatible": {"model": "gpt-6-luna", "base_url": f"{url}/v1"},
    }
    return {"name": name, **own[name], "max_dollars": 1.0, "pace": {"batch": batch}, **more}


def questions(count):
    return [Request("haiku", f"Haiku {n}.", "en", row=f"r{n}") for n in range(count)]


def jobs_of(asked):
    return lambda: [partial(lambda teacher, q: teacher.ask(q), q=each) for each in asked]


def opened(component_, home, asked):
    return open_teacher(component_, "teach.teacher", home.books(), jobs_of(asked))


def _poem(number, body):
    return claude(f"poem for {body['messages'][0]['content'][-1]['text']}")


def _chat(number, body):
    return chat(f"poem for {body['messages'][0]['content'][-1]['text']}")


BOTH = pytest.mark.parametrize(
    ("name", "script"), [("anthropic", _poem), ("openai_compatible", _chat)]
)


@BOTH
def test_every_question_has_its_own_answer_and_costs_half(home, name, script):
    asked = questions(7)
    with open_desk(script) as desk:
        teacher = opened(component(desk.url, name, batch=3), home, asked)
        assert [len(batch.asked) for batch in desk.batches.values()] == [3, 3, 1]
        assert [teacher.ask(q).text for q in asked] == [f"poem for Haiku {n}." for n in range(7)]
        # Another session asks nothing, and nobody.
        count = len(desk.requests)
        again = opened(component(desk.url, name, batch=3), home, asked)
        assert [again.ask(q).text for q in asked] == [teacher.ask(q).text for q in asked]
        assert len(desk.requests) == count
    # 100 tokens anew, 200 read before, 700 kept for the next time, 30 out.
    chatted = 100 * 0.1 + 200 * 0.01 + 700 * 0.125 + 30 * 0.5
    cost = {"anthropic": PRICED, "openai_compatible": chatted / 2e6}
    assert [bill["dollars"] for bill in home.bills] == pytest.approx([cost[name]] * 7)
    assert {(bill["row"], bill["task"]) for bill in home.bills} == {(q.row, "haiku") for q in asked}
    assert "handed in" in home.said[0]
    assert all(headers["authorization"] == f"Bearer {KEY}" for _, _, headers, _ in desk.requests)


def test_a_batch_holds_no_more_bytes_than_it_may(home, monkeypatch):
    monkeypatch.setattr("haiga.teachers.bulk.fill.BYTES", 500)
    assert base.BYTES == 64 * 2**20
    with open_desk(_poem) as desk:
        opened(component(desk.url), home, questions(6))
        posted = [body for method, _, _, body in desk.requests if method == "POST"]
    assert len(posted) > 1
    assert all(len(body) <= 520 for body in posted)


def test_what_expires_is_asked_again_and_what_is_wrong_is_not(home):
    asked = questions(5)
    seen = []

    def script(number, body):
        text = body["messages"][0]["content"][-1]["text"]
        seen.append(text)
        if text == "Haiku 1." and seen.count(text) == 1:
            return EXPIRED
        if text == "Haiku 2.":
            return EXPIRED
        if text == "Haiku 3.":
            return fault(400, "invalid_request_error", "messages: too long")
        return CANCELED if text == "Haiku 4." else _poem(number, body)

    with open_desk(script) as desk:
        teacher = opened(component(desk.url), home, asked)
        assert [len(batch.asked) for batch in desk.batches.values()] == [5, 2, 1]
    assert [teacher.ask(asked[n]).text[-2] for n in (0, 1)] == ["0", "1"]
    for at, sentence in (
        (2, r"claude-haiku-5-5: was not answered within a day"),
        (3, r"could not be asked \(invalid_request_error\): messages: too long"),
        (4, r"its batch was canceled"),
    ):
        with pytest.raises(TeacherError, match=sentence):
            teacher.ask(asked[at])
    assert len(home.bills) == 2  # nothing else is paid
    assert any("4 questions without" in text for text in home.said)


def test_openais_errors_are_in_another_file(home):
    replies = {0: EXPIRED, 1: fault(400, "bad", "no"), 2: fault(429, "rate", "slow")}

    def script(number, body):
        return replies.get(number) or _chat(number, body)

    asked = questions(4)
    with open_desk(script) as desk:
        teacher = opened(component(desk.url, "openai_compatible"), home, asked)
        assert [len(batch.asked) for batch in desk.batches.values()] == [4, 2]
    assert [teacher.ask(asked[n]).text[-2] for n in (0, 2, 3)] == ["0", "2", "3"]
    with pytest.raises(TeacherError, match=r"refused the question \(400\): no"):
        teacher.ask(asked[1])
    assert len(home.bills) == 3


def test_a_batch_that_is_refused_as_a_whole_is_named(home):
    with open_desk(_chat, refused="Enqueued token limit reached") as desk:
        teacher = opened(component(desk.url, "openai_compatible"), home, questions(2))
    with pytest.raises(TeacherError, match="the batch was refused: Enqueued token limit reached"):
        teacher.ask(questions(1)[0])
    assert home.bills == []


def test_what_is_too_much_beside_what_is_under_way_is_handed_in_again_after_it(home):
    asked = questions(8)
    with open_desk(_chat, room=1) as desk:
        teacher = opened(component(desk.url, "openai_compatible", batch=2), home, asked)
        refused = [bool(batch.refused) for batch in desk.batches.values()]
    # Four packs of two, of which one a round is taken: more rounds than a question has tries.
    assert refused == [False, True, True, True, False, True, True, False, True, False]
    assert [teacher.ask(q).text[-2] for q in asked] == list("01234567")
    assert len(home.bills) == 8


@pytest.mark.parametrize(
    ("kind", "rounds"), [("overloaded_error", 3), ("authentication_error", 1), ("billing_error", 1)]
)
def test_what_would_be_the_same_another_time_is_not_asked_again(home, kind, rounds):
    with open_desk(lambda n, body: fault(400, kind, "no")) as desk:
        opened(component(desk.url), home, questions(1))
        assert len(desk.batches) == rounds


@BOTH
def test_a_line_that_breaks_while_handing_in_pays_nothing_twice(home, name, script):
    """The batch was taken; nobody said so."""
    asked = questions(3)
    with open_desk(script, loses=0) as desk:
        teacher = opened(component(desk.url, name), home, asked)
        assert len(desk.batches) == 1
        assert desk.answered == len(home.bills) == 3
    assert teacher.ask(asked[2]).text == "poem for Haiku 2."


@BOTH
def test_a_busy_desk_is_gone_to_again(home, name, script):
    with open_desk(script, busy=0) as desk:
        opened(component(desk.url, name), home, questions(3))
        assert (desk.handed, len(desk.batches)) == (2, 1)


def test_another_batch_of_the_same_size_is_not_taken_for_ours(home):
    with open_desk(_poem, busy=1) as desk:
        others = Home(home.folder / "other")
        opened(component(desk.url), others, [Request("haiku", "Other.", "en")])
        teacher = opened(component(desk.url), home, questions(1))
        assert len(desk.batches) == 2
    assert teacher.ask(questions(1)[0]).text == "poem for Haiku 0."


@BOTH
def test_results_that_break_off_are_read_again_and_billed_once(home, name, script):
    asked = questions(9)
    with open_desk(script, cuts=2) as desk:
        teacher = opened(component(desk.url, name), home, asked)
    assert len(home.bills) == 9
    assert {teacher.ask(q).text for q in asked} == {f"poem for Haiku {n}." for n in range(9)}


def test_an_answer_that_was_billed_and_not_kept_is_not_billed_again(home):
    """Killed between the ledger and the answer, or before the slip was closed."""
    asked = questions(3)
    with open_desk(_poem) as desk:
        own = component(desk.url)
        opened(own, home, asked)
        slip = json.loads((path := next(home.folder.rglob("batches/*.json"))).read_text())
        path.write_text(json.dumps({**slip, "done": False}))
        next(p for p in home.folder.glob("answers/??/*.json")).unlink()
        teacher = opened(own, home, asked)
        assert [teacher.ask(q).stop for q in asked] == ["end"] * 3
        assert len(desk.batches) == 1
    assert len(home.bills) == 3


def test_the_budget_is_held_for_batches_under_way(home):
    asked = questions(20)
    with open_desk(_poem) as desk:
        # One question may cost 0.00026 dollars, and costs 0.000065.
        opened(component(desk.url, max_dollars=0.0028), home, asked)
        sizes = [len(batch.asked) for batch in desk.batches.values()]
    assert sizes[0] < 20
    assert sum(sizes) == 20
    assert sum(bill["dollars"] for bill in home.bills) <= 0.0028


def test_a_spent_budget_stops_and_what_was_handed_in_is_kept(home):
    asked = questions(20)
    with open_desk(_poem) as desk:
        with pytest.raises(BudgetError, match=r"no batch was handed in\. Raise max_dollars"):
            opened(component(desk.url, max_dollars=0.0009), home, asked)
        before = desk.answered
        assert len(home.bills) == before > 0
        opened(component(desk.url, max_dollars=1.0), home, asked)
        assert desk.answered == 20
    assert len(home.bills) == 20


def test_what_depends_on_an_answer_comes_a_round_later_and_nothing_else_does(home):
    """Two orders of a preference are one round; two rows are one round."""
    asked = questions(2)
    text = json.dumps({"evidence": ["a boat"], "better": "first"})

    def job(teacher, request):
        draft = teacher.ask(request).text
        return prefer(teacher, request, draft, "another")

    def script(number, body):
        return claude(text) if "output_config" in body else _poem(number, body)

    with open_desk(script) as desk:
        jobs = [partial(job, request=each) for each in asked]
        teacher = open_teacher(component(desk.url), "t", home.books(), lambda: jobs)
        assert [len(batch.asked) for batch in desk.batches.values()] == [2, 4]
        assert [each(teacher).better for each in jobs] == ["equal", "equal"]


def test_two_teachers_wait_side_by_side(home):
    with open_desk(_poem, polls=2) as desk:
        wanted = [
            Asked(component(desk.url), "a", jobs_of(questions(2))),
            Asked(component(desk.url, model="claude-sonnet-5-5"), "b", jobs_of(questions(3))),
        ]
        first, second = open_teachers(wanted, home.books())
        methods = [method for method, *_ in desk.requests]
    assert methods[:2] == ["POST", "POST"]
    assert (first.ask(questions(1)[0]).stop, second.ask(questions(3)[2]).stop) == ("end", "end")
    half = (1100 * 2 + 40 * 10) / 2e6
    assert {round(bill["dollars"], 9) for bill in home.bills} == {PRICED, half}


def test_a_batch_that_does_not_end_is_left_to_the_next_session(home, monkeypatch):
    asked = questions(2)
    with open_desk(_poem, polls=3) as desk:
        with monkeypatch.context() as hurried:
            hurried.setattr(fetch, "HOURS", 0.0)
            with pytest.raises(TeacherError, match=r"has not ended within 0 hours\. It is kept"):
                opened(component(desk.url), home, asked)
        opened(component(desk.url), home, asked)
        assert len(desk.batches) == 1
    assert len(home.bills) == 2


def test_slips_hold_neither_key_nor_words_nor_address(home):
    with open_desk(_poem) as desk:
        opened(component(desk.url), home, questions(2))
        (path,) = home.folder.rglob("batches/*.json")
        text = path.read_text()
    assert all(word not in text for word in (KEY, "127.0.0.1", "Haiku 0"))


def test_a_pace_of_batches_is_a_number():
    with pytest.raises(RecipeError, match="pace: must be greater than or equal to 1"):
        bind(TEACHERS, component("http://a", batch=0), "teach.teacher")


def test_anthropics_sdk_hands_in_the_same_and_reads_the_same():
    sdk = pytest.importorskip("anthropic")
    replies = [claude("old pond"), fault(500, "api_error", "Internal"), EXPIRED, CANCELED]
    with open_desk(lambda n, body: replies[n], polls=0) as desk:
        ours = TEACHERS["anthropic"](
            model="claude-haiku-5-5", max_dollars=1, base_url=desk.url
        ).desk
        lines = [ours.line(f"q{n}", each) for n, each in enumerate(questions(4))]
        id_ = ours.send("name", lines)
        assert ours.state(id_).ended
        results = {each.id: each for each in ours.results(id_)}
        with sdk.Anthropic(base_url=desk.url, max_retries=0) as client:
            batches = client.messages.batches
            made = batches.create(requests=[json.loads(line) for line in lines])
            read = {each.custom_id: each.result for each in batches.results(id_)}
            listed = [each.id for each in batches.list(limit=100)]
            assert batches.retrieve(id_).request_counts.succeeded == 1
        assert ours.candidates("name", 4, 0.0) == listed
        assert ours.candidates("name", 5, 0.0) == []
    (_, path, one, first), (_, path2, other, second) = (r for r in desk.requests if r[0] == "POST")
    assert (path, json.loads(first)) == (path2, json.loads(second))
    assert one["anthropic-version"] == other["anthropic-version"]
    assert [read[f"q{n}"].type for n in range(4)] == ["succeeded", "errored", "expired", "canceled"]
    assert results["q0"].response.text == read["q0"].message.content[0].text
    assert read["q1"].error.error.message in results["q1"].fault
    assert [results[f"q{n}"].again for n in (1, 2, 3)] == [True, True, False]
    assert listed == [made.id, id_]


def test_openais_sdk_hands_in_the_same_and_reads_the_same():
    sdk = pytest.importorskip("openai")
    replies = [chat("old pond"), EXPIRED]
    with open_desk(lambda n, body: replies[n], polls=0) as desk:
        url = f"{desk.url}/v1"
        ours = TEACHERS["openai_compatible"](model="gpt-6-luna", base_url=url).desk
        lines = [ours.line(f"q{n}", each) for n, each in enumerate(questions(2))]
        id_ = ours.send("our-name", lines)
        assert ours.state(id_) == (True, "", False)
        results = {each.id: each for each in ours.results(id_)}
        with sdk.OpenAI(base_url=url, max_retries=0) as client:
            data = b"\n".join(lines) + b"\n"
            file = client.files.create(file=("questions.jsonl", data), purpose="batch")
            client.batches.create(
                input_file_id=file.id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={"haiga": "our-name"},
            )
            batch = client.batches.retrieve(id_)
            good = client.files.content(batch.output_file_id).text
            bad = client.files.content(batch.error_file_id).text
            ours.send("of-others", lines)
            listed = [each.id for each in client.batches.list(limit=100)]
            assert listed == ["batch_002", "batch_001", id_]
        assert ours.candidates("our-name", 2, 0.0) == ["batch_001", id_]  # on two pages
        assert ours.candidates("our-name", 2, 5e9) == ["batch_001"]  # none so old on the next
        assert ours.candidates("another", 2, 0.0) == []
    posted = [
        json.loads(body) for _, path, _, body in desk.requests if path == "/v1/batches" and body
    ]
    assert {**posted[0], "input_file_id": ""} == {**posted[1], "input_file_id": ""}
    assert desk.files["file_0"] == desk.files[posted[1]["input_file_id"]]
    assert json.loads(good)["response"]["body"]["choices"][0]["message"]["content"] == "old pond"
    assert results["q0"].response.text == "old pond"
    assert json.loads(bad)["error"]["message"] in results["q1"].fault
