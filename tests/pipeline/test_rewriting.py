"""Texts between the gates are written again by a remote teacher: counted before, at its price."""

import json
import shutil

import pytest

from desks import open_desk
from haiga import events
from haiga.cli import main
from haiga.errors import BudgetError, DataError
from haiga.pipeline.data import curate, finish, gather
from haiga.pipeline.rewriting import cost_at_most
from haiga.pipeline.run import Run
from haiga.pipeline.teaching import teach
from haiga.recipe.load import load
from haiga.teachers.bulk import fetch
from providers import KEY, claude, served

PRINTS = 6
TEXTS = 3 * PRINTS
"""The source's own caption of each print, and two of the teacher's."""
RECIPE = """
name = "again"
language = "en"
seed = 3

[source]
name = "floating_world"
prints = 6

[curate]
hamming = -1

# So that every text lies between the gates.
[curate.similarity]
tower = "world:tower"
enter = 1.0
reject = -1.0

[teach]
tasks = ["describe"]
answers = 2

[teach.teacher]
name = "anthropic"
model = "claude-haiku-5-5"
max_dollars = 1.0

[split]
held_out = 1
validation = 1

[model]
tower = "world:tower"
language_model = "world:language"
image_token = "<|image_pad|>"
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setattr(fetch, "FIRST", 0.01)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """A run as far as nothing is asked."""
    home = tmp_path_factory.mktemp("seen")
    (home / "again.toml").write_text(RECIPE, encoding="utf-8")
    run = Run(load(home / "again.toml"), home / "run", lambda event: None)
    gather(run)
    curate(run)
    return home


@pytest.fixture
def run_of(seen, tmp_path):
    def made(url, pace="{}", limit=1.0):
        shutil.copytree(seen, tmp_path, dirs_exist_ok=True)
        options = [f"base_url={json.dumps(url)}", f"pace={pace}", f"max_dollars={limit}"]
        recipe = load(tmp_path / "again.toml", [f"teach.teacher.{each}" for each in options])
        said = []
        run = Run(recipe, tmp_path / "run", said.append)
        object.__setattr__(run, "said", said)
        return run

    return made


def _caption(number, body):
    return claude(f"A boat lies under bridge {number}.")


def _bills(run, stage):
    return [b for b in events.read(run.folder / "ledger.jsonl") if b["stage"] == stage]


def _notes(run):
    return [event["text"] for event in run.said if event["kind"] == "note"]


def test_in_batches_they_are_one_batch_at_half_the_price_and_no_two_are_one_question(run_of):
    with open_desk(_caption) as desk:
        run = run_of(desk.url, "{ batch = 100 }")
        (most,) = cost_at_most(run).values()
        teach(run)
        with pytest.raises(DataError, match=r"waits in data/review\.csv 6"):  # none is like enough
            finish(run)
        assert [len(batch.asked) for batch in desk.batches.values()] == [2 * PRINTS, TEXTS]
    paid = _bills(run, "03_quality_checked")
    # As many as were counted beforehand, when no text was there: here all of them.
    assert len(paid) == most.calls == TEXTS
    assert len({bill["question"] for bill in paid}) == TEXTS
    assert sum(bill["dollars"] for bill in paid) == pytest.approx(TEXTS * 1.3e-4 / 2)
    assert most.dollars < most.most
    said = _notes(run)
    assert any(f"asking claude-haiku-5-5 again: about {TEXTS} calls" in text for text in said)
    assert any(text.startswith(f"claude-haiku-5-5: {TEXTS} calls, 19,800 tokens") for text in said)


def test_the_limit_of_a_teacher_holds_for_them_too(run_of):
    with served(script=_caption) as provider:
        run = run_of(provider.url, "{ at_once = 2 }", limit=0.0030)
        teach(run)
        before = sum(bill["dollars"] for bill in _bills(run, "02_captioned"))
        assert before == pytest.approx(2 * PRINTS * 1.3e-4)
        with pytest.raises(BudgetError, match=r"of max_dollars = 0\.003 are spent"):
            finish(run)
        again = sum(bill["dollars"] for bill in _bills(run, "03_quality_checked"))
    assert 0 < again <= 0.0030 - before


def test_the_estimate_says_what_they_cost_at_most(seen, tmp_path, capsys):
    (tmp_path / "again").mkdir()
    shutil.copytree(seen / "run", tmp_path / "again", dirs_exist_ok=True)
    words = ["teach", str(seen / "again.toml"), "--workdir", str(tmp_path), "--estimate"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "claude-haiku-5-5\tclaude-haiku-5-5, written again at most" in said
    assert f"calls\t{2 * PRINTS}\t{TEXTS}" in said
