"""Teachers around a teacher: asked again, paced, metered, and asked once."""

import re
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.errors import BudgetError, BusyError, RecipeError, TeacherError
from haiga.teachers import Request, Response
from haiga.teachers.cache import cached, is_cached
from haiga.teachers.client import Pace, Remote
from haiga.teachers.meter import Purse, likely_in, metered, most_in
from haiga.teachers.opened import (
    Books,
    key_faults,
    made_of,
    open_teacher,
    term_faults,
    thought_notes,
)
from haiga.teachers.pace import paced
from haiga.teachers.prices import Price, dollars, dollars_at_most, in_batch, price_of
from haiga.teachers.retry import LONGEST, retried
from providers import KEY, claude, fault, served

PRICE = Price(2.0, 10.0, cached=0.2, written=2.5)


def remote(ask, **fields) -> Remote:
    given_ = {
        "name": "m", "model": "m", "tokens_in": lambda request: 300, "max_tokens": 50,
        "url": "https://example.org", "key": "SOME_KEY", "local": False, "pace": Pace(),
        "max_dollars": None, "desk": None,
    }  # fmt: skip
    return Remote(ask=ask, **{**given_, **fields})


def question(**fields) -> Request:
    return Request(**{"task": "haiku", "prompt": "A haiku.", "language": "en", **fields})


def answers(*tokens):
    """Answers of so many tokens in and out, one after another."""
    each = iter(tokens)
    return lambda request: Response("text", "m-1", 0.0, *next(each))


class Busy:
    """Busy so many times, then an answer."""

    def __init__(self, times, wait=None):
        self.times, self.wait, self.asked = times, wait, 0

    def __call__(self, request):
        self.asked += 1
        if self.asked <= self.times:
            raise BusyError("example.org answered 529: busy", wait=self.wait)
        return Response("text", "m")


def test_a_busy_teacher_is_asked_again_after_longer_and_longer():
    busy, waits = Busy(3), []
    asked = retried(remote(busy), sleep=waits.append, draw=lambda: 0.5)
    assert asked.ask(question()).text == "text"
    assert (busy.asked, waits) == (4, [0.75, 1.5, 3.0])


def test_three_times_are_enough():
    busy, waits = Busy(9), []
    with pytest.raises(TeacherError, match=r"529: busy It was asked 4 times\.") as raised:
        retried(remote(busy), sleep=waits.append).ask(question())
    assert not isinstance(raised.value, BusyError)
    assert (busy.asked, len(waits)) == (4, 3)


def test_it_waits_as_long_as_it_is_told():
    waits = []
    retried(remote(Busy(1, wait=7.0)), sleep=waits.append).ask(question())
    assert waits == [7.0]
    busy = Busy(1, wait=LONGEST + 1)
    with pytest.raises(TeacherError, match="asks for a wait of 301 s"):
        retried(remote(busy), sleep=waits.append).ask(question())
    assert (busy.asked, waits) == (1, [7.0])


def test_what_is_not_busy_is_not_asked_again():
    calls = []

    def refuses(request):
        calls.append(request)
        raise TeacherError("no")

    with pytest.raises(TeacherError, match="no"):
        retried(remote(refuses)).ask(question())
    assert len(calls) == 1


def test_questions_begin_evenly_apart():
    now, starts = [100.0], []

    def ask(request):
        starts.append(now[0])
        return Response("text", "m")

    def sleep(seconds):
        now[0] += seconds

    teacher = paced(remote(ask, pace=Pace(1, per_minute=30)), sleep=sleep, clock=lambda: now[0])
    for _ in range(3):
        teacher.ask(question())
    now[0] += 60
    teacher.ask(question())  # time that was not used is not saved up
    teacher.ask(question())
    assert starts == [100.0, 102.0, 104.0, 164.0, 166.0]
    free = remote(ask)
    assert paced(free) is free


def test_a_call_is_billed_by_its_tokens():
    bills = []
    counted = {"tokens_cached": 500_000, "tokens_written": 100_000}
    response = Response("text", "m-1", 0.0, 1_000_000, 100_000, **counted)
    teacher = metered(remote(lambda request: response), PRICE, bills.append, 0.0)
    # 400,000 at 2, 500,000 at 0.2, 100,000 at 2.5, and 100,000 at 10 dollars a million.
    assert teacher.ask(question(row="r1")).dollars == pytest.approx(0.8 + 0.1 + 0.25 + 1.0)
    (bill,) = bills
    assert bill.pop("seconds") >= 0
    assert bill == {
        "model": "m", "dollars": pytest.approx(2.15), "tokens_in": 1_000_000,
        "tokens_out": 100_000, "stop": "end", "row": "r1", "task": "haiku", **counted,
    }  # fmt: skip


def test_a_call_whose_tokens_are_not_told_is_billed_at_its_most():
    bills = []
    teacher = metered(remote(lambda request: Response("text", "m")), PRICE, bills.append, 0.0)
    teacher.ask(question())
    # 300 of pictures, 8 bytes, 100 around it, all kept for the next time; 50 out.
    assert bills[0]["dollars"] == pytest.approx((408 * 2.5 + 50 * 10) / 1e6)


def test_an_error_costs_nothing_and_frees_what_was_held():
    def fails(request):
        raise TeacherError("no")

    bills = []
    teacher = metered(remote(fails, max_dollars=0.0016), PRICE, bills.append, 0.0)
    for _ in range(3):  # one call may cost 0.0015 dollars
        with pytest.raises(TeacherError):
            teacher.ask(question())
    assert bills == []


def test_the_budget_stops_before_it_is_passed():
    bills = []
    asked = remote(answers((100, 50), (100, 50), (100, 50)), max_dollars=0.0030)
    teacher = metered(asked, PRICE, bills.append, 0.0)
    for _ in range(2):
        teacher.ask(question())
    assert sum(bill["dollars"] for bill in bills) == pytest.approx(0.0014)
    teacher.ask(question())  # 0.0014 + 0.00152 at most
    with pytest.raises(
        BudgetError, match=r"may cost \$0\.0015; \$0\.0021 of max_dollars = 0\.003 "
    ):
        teacher.ask(question())
    assert len(bills) == 3


def test_what_was_spent_before_counts():
    teacher = metered(remote(answers(), max_dollars=1.0), PRICE, lambda bill: None, 0.9999)
    with pytest.raises(BudgetError):
        teacher.ask(question())


@given(
    st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.0, 1.0)), max_size=20),
    st.floats(0.1, 5.0),
)
def test_no_order_of_calls_passes_the_budget(calls, limit):
    purse, spent = Purse(limit, 0.0), 0.0
    for most, share in calls:
        try:
            purse.take(most)
        except BudgetError:
            assert spent + most > limit
            continue
        purse.settle(most, most * share)
        spent += most * share
    assert spent <= limit * (1 + 1e-12)


def test_calls_in_flight_are_waited_for_before_money_is_called_short():
    began, go_on = threading.Event(), threading.Event()

    def slow(request):
        began.set()
        go_on.wait(10)
        return Response("text", "m", 0.0, 10, 1)

    teacher = metered(remote(slow, max_dollars=0.002), PRICE, lambda bill: None, 0.0)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(teacher.ask, question())
        began.wait(10)
        second = pool.submit(teacher.ask, question())  # held: 0.0015; with this 0.0030
        assert not second.done()
        go_on.set()
        assert first.result(10).text == second.result(10).text == "text"


def test_an_answer_is_paid_once(tmp_path):
    calls = []

    def ask(request):
        calls.append(request)
        return Response(f"text {len(calls)}", "m", 0.5, 7, 3, stop="refusal")

    made = {"name": "anthropic", "model": "m"}
    teacher = cached(remote(ask), tmp_path, made)
    first = teacher.ask(question(pictures=(b"a",), row="r1"))
    assert teacher.ask(question(pictures=(b"a",), row="r2", meta={"n": 1})) == first
    assert cached(remote(ask), tmp_path, made).ask(question(pictures=(b"a",))) == first
    assert is_cached(tmp_path, question(pictures=(b"a",)), made)
    assert len(calls) == 1


@pytest.mark.parametrize(
    "changed",
    [{"pictures": (b"b",)}, {"pictures": ()}, {"prompt": "Another."}, {"seed": 1},
     {"system": "Be brief."}, {"schema": {"type": "object"}}],
)  # fmt: skip
def test_another_question_is_asked(tmp_path, changed):
    teacher = cached(remote(answers((1, 1), (2, 2))), tmp_path, {"model": "m"})
    first = teacher.ask(question(pictures=(b"a",)))
    assert teacher.ask(question(**{"pictures": (b"a",), **changed})) != first


def test_another_model_is_asked(tmp_path):
    asked = remote(answers((1, 1), (2, 2)))
    first = cached(asked, tmp_path, {"model": "m", "max_tokens": 64}).ask(question())
    assert cached(asked, tmp_path, {"model": "m", "max_tokens": 65}).ask(question()) != first


def test_an_error_is_not_kept(tmp_path):
    teacher = cached(remote(Busy(1)), tmp_path, {})
    with pytest.raises(BusyError):
        teacher.ask(question())
    assert not is_cached(tmp_path, question(), {})
    assert teacher.ask(question()).text == "text"


def test_prices_are_data_that_a_recipe_may_replace():
    assert price_of("claude-sonnet-5-5", {}) == Price(2.0, 10.0, 0.1, 2.5)
    assert price_of("claude-sonnet-5-5-20261015", {}) == Price(2.0, 10.0, 0.1, 2.5)
    assert price_of("gpt-6-sol-2026-09-30", {}) == Price(2.0, 10.0, 0.2, 2.5)
    assert in_batch(price_of("gpt-6-sol", {})) == Price(1.0, 5.0, 0.1, 1.25)
    assert in_batch(Price(2.0, 10.0)) == Price(1.0, 5.0)
    assert price_of("gpt-6-sol-mini", {}) is None
    own = {"claude-sonnet-5-5": (1.0, 3.0)}
    assert price_of("claude-sonnet-5-5-20261015", own) == Price(1.0, 3.0)
    # Evaluation of 200 pictures on the small tier: 2,004 tokens in and 500 out each.
    assert dollars(price_of("claude-haiku-5-5", {}), 200 * 2004, 200 * 500) == pytest.approx(
        0.09, abs=0.001
    )
    assert dollars(None, 1000, 1000) == dollars_at_most(None, 1000, 1000) == 0.0


@given(
    st.builds(Price, *[st.floats(0, 50)] * 2, *[st.none() | st.floats(0, 50)] * 2),
    st.lists(st.integers(0, 10**6), min_size=4, max_size=4),
)
def test_nothing_costs_more_than_it_can(price, tokens):
    fresh, out, again, kept = tokens
    paid = dollars(price, fresh + again + kept, out, cached=again, written=kept)
    most = dollars_at_most(price, fresh + again + kept, out)
    dearer_again = price.cached is not None and price.cached > max(price.input, price.written or 0)
    assert paid <= most * (1 + 1e-9) or dearer_again


def test_every_price_is_one_that_a_provider_could_ask():
    listed = tomllib.loads((resources.files("haiga.teachers") / "prices.toml").read_text("utf-8"))
    for name, each in listed["models"].items():
        assert 0 < each["cached"] < each["input"] < each["written"] < each["output"], name
        # Both providers ask a quarter more for what they keep.
        assert each["written"] == pytest.approx(1.25 * each["input"]), name


def test_what_is_likely_is_less_than_what_is_possible():
    request = question(prompt="俳句を一句。", schema={"type": "object"})
    assert 300 < likely_in(remote(None), request) < most_in(remote(None), request)


@pytest.mark.parametrize(
    ("fields", "prices", "says"),
    [
        ({}, {}, r"no price of 'm' is known.*prices = \{ \"m\" = \[2\.0, 10\.0\] \}"),
        ({}, {"m": (1, 2)}, "max_dollars: m is paid for"),
        ({"local": True, "max_dollars": 1.0}, {}, "max_dollars: m has no price"),
        ({"url": "localhost:8000/v1", "local": True}, {}, "base_url: 'localhost:8000/v1' is not"),
    ],
)
def test_terms_that_are_missing_are_named(fields, prices, says):
    (fault_,) = term_faults(remote(None, **fields), prices)
    assert re.search(says, fault_)


@pytest.mark.parametrize(
    ("fields", "prices"),
    [({"local": True}, {}), ({}, {"m": (0, 0)}), ({"max_dollars": 1.0}, {"m": (1, 2)})],
)
def test_terms_that_are_whole_are_not(fields, prices):
    assert list(term_faults(remote(None, **fields), prices)) == []


def test_a_missing_key_is_named(monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    (fault_,) = key_faults(remote(None))
    assert "the environment variable SOME_KEY is not set" in fault_
    assert list(key_faults(remote(None, key=""))) == []
    assert list(key_faults(remote(None, local=True))) == []
    monkeypatch.setenv("SOME_KEY", KEY)
    assert list(key_faults(remote(None))) == []


def _books(tmp_path, bills, spent=0.0):
    return Books(tmp_path / "answers", bills.append, lambda model: spent)


def _component(url, **options):
    own = {"name": "anthropic", "model": "claude-haiku-5-5", "max_dollars": 1, "base_url": url}
    return {**own, **options}


def test_an_opened_teacher_is_all_of_it(tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    bills = []
    busy = fault(529, "overloaded_error", "Overloaded", retry_after="0.01")
    with served(busy, claude("old pond")) as provider:
        component = _component(provider.url)
        teacher = open_teacher(component, "teach.teacher", _books(tmp_path, bills))
        assert teacher.ask(question()).text == "old pond"
        assert teacher.ask(question()).text == "old pond"
        again = open_teacher(component, "teach.teacher", _books(tmp_path, bills))
        assert again.ask(question()).text == "old pond"
    assert len(provider.asked) == 2
    assert [bill["dollars"] for bill in bills] == [pytest.approx((1100 * 0.1 + 40 * 0.5) / 1e6)]
    for path in tmp_path.rglob("*.json"):
        assert KEY not in path.read_text("utf-8")


def test_how_it_is_reached_makes_no_other_answer():
    one = made_of(_component("http://a"))
    other = made_of(_component("http://b", max_dollars=9, pace={"at_once": 1}))
    assert one == other
    assert one["side"] == 896
    assert made_of(_component("http://a", effort="low")) != one


@pytest.mark.parametrize(
    ("said", "notes"),
    [
        ({}, 1),
        ({"effort": "low"}, 0),
        ({"max_tokens": 4096}, 0),
        ({"name": "openai"}, 1),
        ({"name": "openai", "reasoning_effort": "none"}, 0),
        ({"name": "openai_compatible"}, 0),
    ],
)
def test_what_a_model_thinks_is_spoken_of_before_it_is_paid(said, notes):
    component = _component("http://a", **said)
    teacher = remote(None, max_tokens=said.get("max_tokens", 1024))
    found = list(thought_notes(teacher, component))
    assert len(found) == notes
    assert all("effort is not said" in note and "max_tokens = 1024" in note for note in found)


def test_nobody_is_asked_without_a_key(tmp_path, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(RecipeError, match=r"teach\.teacher: the environment variable ANTHROPIC"):
        open_teacher(_component("http://a"), "teach.teacher", _books(tmp_path, []))


def test_the_poet_needs_none_of_it(tmp_path):
    assert open_teacher({"name": "poet"}, "teach.teacher", _books(tmp_path, [])).name == "poet"
