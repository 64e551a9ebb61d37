"""Exchanges named in a recipe, with a provider on loopback: estimated, paid, resumed, learned."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from haiga import events
from haiga.errors import BudgetError, RecipeError
from haiga.pipeline import teaching
from haiga.pipeline.check import check
from haiga.pipeline.data import curate, gather, make_data
from haiga.pipeline.run import Run
from haiga.recipe.load import load
from haiga.store import read_groups
from haiga.training.preferences import two_sided
from providers import KEY, claude, served

RECIPE = Path(__file__).parents[2] / "recipes" / "smoke.toml"
PRINTS = 9
BOTH = '{ haiku = [{ name = "critique" }, { name = "hallucinate" }] }'


def _run(folder: Path, url: str, *more: str, dollars: float = 1.0, at_once: int = 3) -> Run:
    teacher = (
        f'{{ name = "anthropic", model = "claude-haiku-5-5", max_dollars = {dollars}, '
        f'base_url = "{url}", pace = {{ at_once = {at_once} }} }}'
    )
    recipe = load(
        RECIPE,
        [
            f"source.prints={PRINTS}",
            "source.faults=0.0",
            "curate.hamming=0",
            "curate.texts={}",
            "split.held_out=2",
            "split.validation=1",
            f"teach.teacher={teacher}",
            "teach.answers=1",
            *more,
        ],
    )
    said: list[dict] = []
    run = Run(recipe, folder, said.append)
    object.__setattr__(run, "said", said)
    return run


def _says(number, body):
    """A teacher that finds a fault in every other draft, and knows one fact to change."""
    prompt = body["messages"][0]["content"][-1]["text"]
    schema = body.get("output_config", {}).get("format", {}).get("schema", {})
    kind = schema.get("title")
    if kind == "Critique":
        bad = "moon" in prompt
        found = {"not_shown": ["There is no moon."] if bad else [], "missing": [], "form": []}
        return claude(json.dumps({**found, "verdict": "revise" if bad else "keep"}))
    if kind == "Change":
        return claude(json.dumps({"kind": "object", "said": "boat", "instead": "crane"}))
    if kind == "Statements":
        text = re.findall(r"<text \w+>\n(.*?)\n</text", prompt, re.DOTALL)[-1]
        return claude(json.dumps({"statements": ["A moon."] if "moon" in text else ["A boat."]}))
    if kind == "Check":
        return claude(json.dumps({"seen": "a boat", "shown": "yes" if "boat" in prompt else "no"}))
    if kind == "Judgement":
        first = prompt.split("<text ")[2]
        better = "second" if "moon" in first else "first"
        return claude(json.dumps({"evidence": [], "better": better}))
    if "There is no moon." in prompt:
        return claude(f"one boat in the mist\nnumber {number}\nrain")
    return claude(f"one boat, the {'moon' if number % 2 else 'rain'}\nnumber {number}\nend")


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.fixture(scope="module")
def curated(tmp_path_factory) -> Path:
    run = _run(tmp_path_factory.mktemp("curated"), "http://127.0.0.1:1")
    gather(run)
    curate(run)
    return run.folder


@pytest.fixture
def folder(curated, tmp_path) -> Path:
    return shutil.copytree(curated, tmp_path, copy_function=os.link, dirs_exist_ok=True)


def _bills(run: Run) -> list[dict]:
    return events.read(run.folder / "ledger.jsonl")


def test_critiques_and_changed_facts_become_pairs_and_traces(folder):
    with served(script=_says) as provider:
        run = _run(folder, provider.url, f"teach.exchanges={BOTH}")
        (expected,) = teaching.cost(run).values()
        make_data(run)
        bills = _bills(run)
        assert provider.billed == len(bills) == len(provider.asked)
    tasks = [bill["task"] for bill in bills]
    revised = tasks.count("haiku.revise")
    assert tasks.count("haiku") == tasks.count("haiku.critique") == PRINTS
    assert tasks.count("haiku.hallucinate") == PRINTS
    assert 0 < revised < PRINTS
    # As if every draft had to be written again: never too low.
    assert expected.calls == 4 * PRINTS
    groups = [
        group
        for split in ("train", "validation", "held_out")
        for group in read_groups(run.data("04_final").path, split)
    ]
    haiku = [group for group in groups if group.task == "haiku"]
    traces = [group for group in groups if group.task == "haiku_critique"]
    assert (len(haiku), len(traces)) == (PRINTS, revised)
    assert all(len(group.prompt) == 3 and len(group.answers) == 1 for group in traces)
    pairs, dropped = two_sided(haiku, "given", ["haiku"], 0)
    assert (len(pairs), dropped) == (PRINTS, {})
    notes = [json.loads(row["exchanges"]) for row in run.data("02_captioned").rows()]
    assert {note["verdict"] for own in notes for note in own if "verdict" in note} == {
        "keep", "revise",
    }  # fmt: skip
    # Once it is there, nobody is asked.
    again = _run(folder, "http://127.0.0.1:1", f"teach.exchanges={BOTH}")
    make_data(again)
    assert _bills(again) == bills


def test_two_answers_are_judged_in_both_orders(folder):
    more = ('teach.exchanges={ haiku = [{ name = "preference" }] }', "teach.answers=2")
    with served(script=_says) as provider:
        run = _run(folder, provider.url, *more, at_once=1)
        assert [cost.calls for cost in teaching.cost(run).values()] == [4 * PRINTS]
        make_data(run)
    assert [bill["task"] for bill in _bills(run)].count("haiku.preference") == 2 * PRINTS
    for row in run.data("02_captioned").rows():
        (note,) = json.loads(row["exchanges"])
        good, bad = ([t for t in row["answers"] if bool(t["of"]) == b] for b in (False, True))
        assert not note["flipped"]
        assert [text["of"] for text in bad] == [good[-1]["text"]]
        assert "moon" in bad[0]["text"]
        assert "moon" not in good[-1]["text"]


def test_a_budget_that_ends_in_an_exchange_pays_nothing_twice(folder):
    more = (f"teach.exchanges={BOTH}",)
    with served(script=_says) as provider:
        poor = _run(folder, provider.url, *more, dollars=0.0026)
        with pytest.raises(BudgetError, match="was not made"):
            teaching.teach(poor)
        before = len(provider.asked)
        assert before > PRINTS
        rich = _run(folder, provider.url, *more)
        (left,) = teaching.cost(rich).values()
        teaching.teach(rich)
        assert 0 < len(provider.asked) - before <= left.calls
        asked = [json.dumps(body, sort_keys=True) for body in provider.asked]
        assert len(set(asked)) == len(asked)


def test_an_exchange_that_fails_is_counted_and_its_text_stays(folder):
    def script(number, body):
        kind = body.get("output_config", {}).get("format", {}).get("schema", {}).get("title")
        if kind == "Change" and "moon" in body["messages"][0]["content"][-1]["text"]:
            return claude(json.dumps({"kind": "object", "said": "a fox", "instead": "crane"}))
        return _says(number, body)

    more = ('teach.exchanges={ haiku = [{ name = "hallucinate" }] }',)
    with served(script=script) as provider:
        run = _run(folder, provider.url, *more)
        teaching.teach(run)
    rows = list(run.data("02_captioned").rows())
    assert len(rows) == PRINTS
    failed = [row for row in rows if row["failures"]]
    assert 0 < len(failed) < PRINTS
    assert all(len([t for t in r["answers"] if t["task"] == "haiku"]) == 1 for r in failed)
    assert {row["quality"] for row in failed} == {0.5}
    (warning,) = [event["text"] for event in run.said if event["kind"] == "warning"]
    assert f"{len(failed)} calls to the teacher failed" in warning
    assert "haiku, hallucinate: 'a fox' does not stand in the text exactly once" in warning


@pytest.mark.parametrize(
    ("exchanges", "says"),
    [
        ('{ haiku = [{ name = "critic" }] }', "there is no 'critic' .did you mean 'critique'"),
        ('{ haiku = [{ name = "critique", pair = 1 }] }', "takes no such option"),
        ('{ haiku = [{ name = "preference" }] }', "about 2 answers to one picture, and 1 is"),
        ('{ noir = [{ name = "critique" }] }', r"teach\.exchanges\.noir: no such task is in"),
    ],
)
def test_check_names_what_cannot_be_held(exchanges, says, tmp_path):
    with pytest.raises(RecipeError, match=says):
        check(_run(tmp_path, "http://127.0.0.1:1", f"teach.exchanges={exchanges}").recipe)


def test_the_poet_holds_no_exchanges():
    more = ['teach.exchanges={ haiku = [{ name = "hallucinate" }] }']
    with pytest.raises(RecipeError, match="the poet reads no texts"):
        check(load(RECIPE, more))


def test_a_stage_may_learn_from_traces_and_pairs(tmp_path):
    more = (
        f"teach.exchanges={BOTH}",
        'stage.sft.tasks=["haiku", "haiku_critique"]',
        'evaluate.tasks=["haiku"]',
    )
    check(_run(tmp_path, "http://127.0.0.1:1", *more).recipe)
    with pytest.raises(RecipeError, match="nothing makes groups of the task 'haiku_critique'"):
        _run(tmp_path, "http://127.0.0.1:1", *more[1:])


def test_a_tasks_own_teacher_talks_about_its_texts(folder):
    own = "{ name = 'anthropic', model = 'claude-sonnet-5-5', max_dollars = 5.0, base_url = '%s' }"
    more = (
        'teach.exchanges={ haiku = [{ name = "preference" }] }',
        "teach.tasks=['haiku', 'bare']",
        "teach.answers={haiku = 2, bare = 1}",
    )
    with served(script=_says) as provider:
        run = _run(folder, provider.url, *more, f"teach.teachers.haiku={own % provider.url}")
        expected = {model: cost.calls for model, cost in teaching.cost(run).items()}
        teaching.teach(run)
    assert expected == {"claude-haiku-5-5": PRINTS, "claude-sonnet-5-5": 4 * PRINTS}
    asked = [body["model"] for body in provider.asked]
    assert {model: asked.count(model) for model in expected} == expected


def test_answers_are_ranked_by_what_is_shown_of_them_and_the_worst_is_a_rejected_one(folder):
    """Of four answers to a picture every other one says that there is a moon."""
    more = ["teach.answers=4", 'teach.exchanges={ haiku = [{ name = "claims", gap = 0.5 }] }']
    more.append("teach.tasks=['haiku']")
    with served(script=_says) as provider:
        run = _run(folder, provider.url, *more, at_once=1)
        (guess,) = teaching.cost(run).values()
        make_data(run)
    # Four texts; each is taken apart and has one statement, of which five are reckoned with. Equal
    # statements about one picture are one question.
    assert guess.calls == PRINTS * (4 + 4 + 4 * 5)
    assert len(provider.asked) == PRINTS * (4 + 4 + 2)
    groups = read_groups(run.data("04_final").path, "train", ["haiku"])
    kept, dropped = two_sided(groups, "given", ["haiku"], 0)
    assert (len(kept), dropped) == (len(groups), {})
    for group in kept:
        chosen, rejected = (
            [a.text for a in group.answers if a.kind == kind] for kind in ("chosen", "rejected")
        )
        assert "moon" not in chosen[0]
        assert ["moon" in text for text in rejected] == [True]
    (note,) = json.loads(next(iter(run.data("02_captioned").rows()))["exchanges"])
    assert sorted(note["scores"]) == [0.0, 0.0, 1.0, 1.0]
