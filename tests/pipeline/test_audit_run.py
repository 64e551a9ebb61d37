"""`haiga audit` on the floating world's pairs, by its own truth and by a judge on loopback."""

import json
import re
import shutil
from pathlib import Path

import pytest

from haiga import events
from haiga.cli import main
from haiga.errors import BudgetError, DataError, RecipeError
from haiga.evaluation import audit as measures
from haiga.pipeline import audit
from haiga.pipeline.check import check
from haiga.pipeline.data import make_data
from haiga.pipeline.run import Run
from haiga.recipe.load import load
from haiga.store import read_groups
from providers import KEY, claude, served

RECIPE = Path(__file__).parents[2] / "recipes" / "smoke.toml"
PROJECTOR = '[[".*multi_modal_projector.*", 1e-3], [".*", "frozen"]]'


def _stage(rejected: str) -> str:
    return (
        f'{{ tasks = ["haiku"], rejected = "{rejected}", objective = {{ name = "orpo" }}, '
        f"trainable = {PROJECTOR}, steps = 1, batch = 2 }}"
    )


def _options(*more: str) -> list[str]:
    return [
        "source.prints=44",
        "source.faults=0.0",
        "split.held_out=4",
        "split.validation=2",
        'teach.tasks=["haiku", "bare"]',
        f"stage={{ same = {_stage('same')}, bare = {_stage('bare')} }}",
        *more,
    ]


def _run(folder: Path, *more: str) -> Run:
    said: list[dict] = []
    run = Run(load(RECIPE, _options(*more)), folder, said.append)
    object.__setattr__(run, "said", said)
    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A workdir with a run whose data are made."""
    home = tmp_path_factory.mktemp("runs")
    make_data(_run(home / "smoke"))
    return home


@pytest.fixture
def folder(made):
    yield made / "smoke"
    for name in ("audit.json", "ledger.jsonl"):
        (made / "smoke" / name).unlink(missing_ok=True)
    shutil.rmtree(made / "smoke" / "answers", ignore_errors=True)


def _judge(url: str, dollars: float = 1.0, pairs: int = 10) -> tuple[str, str]:
    judge = (
        f'{{ name = "anthropic", model = "claude-haiku-5-5", max_dollars = {dollars}, '
        f'base_url = "{url}" }}'
    )
    return f"audit.judge={judge}", f"audit.pairs={pairs}"


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


def test_one_poet_leaves_no_gap_and_a_bare_one_does(folder, monkeypatch):
    run = _run(folder)
    found = audit.look(run)
    assert found["same"]["verdict"].startswith("no gap: preference training is not expected")
    assert found["bare"]["verdict"].startswith("a real gap in grounding")
    assert found["bare"]["pairs"] == found["bare"]["of"] == 76
    assert found["same"]["judged"] is found["same"]["taught"] is None
    assert [event["stage"] for event in run.said] == ["audit:same", "audit:bare"]
    # What is known is not measured again.
    monkeypatch.setattr(measures, "audit", lambda pairs, **more: 1 / 0)
    assert audit.look(_run(folder)) == json.loads((folder / "audit.json").read_text()) == found
    with pytest.raises(ZeroDivisionError):
        audit.look(_run(folder, "stage.bare.answers=1"))


def test_the_command_says_it_in_a_sentence(folder, capsys):
    words = [word for option in _options() for word in ("--set", option)]
    assert main(["audit", str(RECIPE), *words, "--workdir", str(folder.parent)]) == 0
    said = capsys.readouterr().out
    assert "bare\t76\t+0." in said
    assert "\nsame: no gap: preference training is not expected to move anything.\n" in said
    assert "Next: haiga train" in said


def test_a_recipe_without_pairs_is_told_so(folder, tmp_path):
    bare = load(RECIPE, ["source.prints=44"])
    assert audit.look(Run(bare, folder, print)) == {}
    with pytest.raises(RecipeError, match="no stage compares answers"):
        audit.require(Run(bare, folder, print))
    with pytest.raises(DataError, match="no pair to look at"):
        audit.look(_run(folder, "stage.same.rejected=given"))
    assert main(["audit", str(RECIPE), "--workdir", str(tmp_path)]) == 2


def test_many_pairs_are_drawn_from(folder, monkeypatch):
    monkeypatch.setattr(audit, "MOST", 20)
    found = audit.look(_run(folder))["bare"]
    assert (found["pairs"], found["of"]) == (20, 76)


def _texts(body) -> list[str]:
    prompt = body["messages"][0]["content"][-1]["text"]
    return re.findall(r"<text \w+>\n(.*?)\n</text", prompt, flags=re.DOTALL)[1:]


def test_a_judge_is_asked_in_both_orders_and_paid(folder):
    chosen = {
        answer.text
        for group in read_groups(folder / "data" / "04_final", "train", ["haiku"])
        for answer in group.answers
    }

    def script(number, body):
        better = "first" if _texts(body)[0] in chosen else "second"
        if number % 7 == 6:
            return claude("I would rather not say.")
        return claude(json.dumps({"evidence": [], "better": better}))

    with served(script=script) as provider:
        more = (*_judge(provider.url), "stage.same.rejected=bare")
        run = _run(folder, *more)
        assert not [line for line in check(run.recipe) if "judge" in line]
        found = audit.look(run)["bare"]["judged"]
        asked = len(provider.asked)
    assert found["difference"] == 1
    assert found["n"] + found["failures"] == 10
    assert found["failures"] > 0
    assert found["flipped"]["mean"] == 0
    bills = events.read(folder / "ledger.jsonl")
    assert len(bills) == asked
    assert {(bill["stage"], bill["task"]) for bill in bills} == {("audit", "haiku.preference")}
    assert any("asking claude-haiku-5-5 about 10 pairs: about 20 calls" in e["text"]
               for e in run.said if e["kind"] == "note")  # fmt: skip
    # Both stages have the same pairs: they were judged once. And answers are kept.
    (folder / "audit.json").unlink()
    audit.look(_run(folder, *_judge("http://127.0.0.1:1"), "stage.same.rejected=bare"))
    assert events.read(folder / "ledger.jsonl") == bills


def test_a_judge_that_looks_at_places_only_is_seen(folder):
    answer = claude(json.dumps({"evidence": [], "better": "first"}))
    with served(answer) as provider:
        found = audit.look(_run(folder, *_judge(provider.url, pairs=6)))["same"]["judged"]
    assert found["flipped"]["mean"] == 1
    assert (found["difference"], found["moved"]) == (0, False)


def test_a_judge_stays_within_its_budget(folder):
    with served(claude(json.dumps({"evidence": [], "better": "equal"}))) as provider:
        with pytest.raises(BudgetError):
            audit.look(_run(folder, *_judge(provider.url, dollars=0.0001, pairs=3)))
        assert provider.asked == []


@pytest.mark.parametrize(
    ("judge", "says"),
    [
        ('{ name = "poet" }', "the poet reads no texts"),
        ('{ name = "anthropik" }', "audit.judge.name: there is no"),
        ('{ name = "anthropic", model = "x", max_dollars = 1.0 }', "no price of 'x' is known"),
    ],
)
def test_check_names_what_is_wrong_with_a_judge(judge, says, tmp_path):
    with pytest.raises(RecipeError, match=says):
        check(_run(tmp_path, f"audit.judge={judge}").recipe)
