"""`haiga teach` in batches: at half the price, and killed while it waits."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from desks import open_desk
from haiga import events
from haiga.pipeline.data import curate, gather
from haiga.pipeline.run import Run
from haiga.pipeline.teaching import cost, teach
from haiga.recipe.load import load
from haiga.teachers.bulk import fetch
from providers import KEY, claude

RECIPE = Path(__file__).parents[2] / "recipes" / "smoke.toml"
PRINTS = 5
POEM = "an old silent pond\na frog jumps into the pond\nsplash! silence again"
BETTER = "a still silent pond\na frog leaps into the pond\nsplash! silence again"
FOUND = json.dumps({"not_shown": ["A pond."], "missing": [], "form": [], "verdict": "revise"})
PROGRAM = """
import sys
from pathlib import Path

from haiga.pipeline import teaching
from haiga.pipeline.run import Run
from haiga.recipe.load import load
from haiga.teachers.bulk import fetch

fetch.FIRST = 0.02
folder, recipe, *options = sys.argv[1:]
teaching.teach(Run(load(Path(recipe), options), Path(folder), lambda event: None))
"""


def _claude(number, body):
    """Drafts, what is wrong with them, and better ones; each question has a place of its own."""
    asked = body["messages"][0]["content"][-1]["text"]
    if "output_config" in body:
        return claude(FOUND)
    return claude(BETTER if "A pond." in asked else POEM)


def _options(url, **more):
    teacher = {"name": "anthropic", "model": "claude-haiku-5-5", "max_dollars": 1.0}
    teacher |= {"base_url": url, "pace": {"batch": 4}, **more}
    return [
        f"source.prints={PRINTS}",
        "source.faults=0.0",
        "curate.hamming=0",
        "split.held_out=2",
        "split.validation=1",
        "teach.tasks=['haiku', 'bare']",
        "teach.answers=1",
        "teach.exchanges={ haiku = [{ name = 'critique' }] }",
        f"teach.teacher={_toml(teacher)}",
    ]


def _toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setattr(fetch, "FIRST", 0.01)


@pytest.fixture
def run_of(tmp_path):
    """A run as far as nothing is paid, by its teacher's address and options."""

    def made(url, **more):
        recipe = load(RECIPE, _options(url, **more))
        said = []
        run = Run(recipe, tmp_path / recipe.name, said.append)
        object.__setattr__(run, "said", said)
        gather(run)
        curate(run)
        return run

    return made


def _ledger(run):
    return events.read(run.folder / "ledger.jsonl")


def _texts(run):
    return Counter(
        (text["task"], text.get("kind") or "chosen", text["text"])
        for row in run.data("02_captioned").rows()
        for text in row["answers"]
        if text["source"] != "source"
    )


def test_drafts_critiques_and_better_texts_come_in_three_rounds_at_half_the_price(run_of):
    with open_desk(_claude) as desk:
        run = run_of(desk.url)
        (guess,) = cost(run).values()
        direct = cost(run_of("http://127.0.0.1:1", pace={"at_once": 1}))["claude-haiku-5-5"]
        teach(run)
        sizes = [len(batch.asked) for batch in desk.batches.values()]
    # Ten texts in three batches of four at most; five critiques, and five better texts.
    assert sizes == [4, 4, 2, 4, 1, 4, 1]
    assert guess.calls == direct.calls == sum(sizes)
    assert guess.dollars == pytest.approx(direct.dollars / 2)
    assert guess.seconds == 3 * 3600
    assert sum(bill["dollars"] for bill in _ledger(run)) == pytest.approx(20 * 1.3e-4 / 2)
    assert len({bill["question"] for bill in _ledger(run)}) == 20
    assert _texts(run) == {
        ("haiku", "chosen", BETTER): PRINTS,
        ("haiku", "rejected", POEM): PRINTS,
        ("haiku_critique", "chosen", BETTER): PRINTS,
        ("bare", "chosen", POEM): PRINTS,
    }
    notes = [event["text"] for event in run.said if event["kind"] == "note"]
    assert any("batch batch_000 of 4 questions is handed in" in note for note in notes)


def test_killed_while_it_hands_in_and_while_it_waits_it_pays_nothing_twice(run_of, tmp_path):
    """One session dies when its second batch has arrived and its id has not, one as it waits."""
    process = None

    def taken(number):
        if number == 1:
            process.send_signal(signal.SIGKILL)
            process.wait()

    with open_desk(_claude, taken=taken, polls=3) as desk:
        run = run_of(desk.url)
        words = [sys.executable, "-c", PROGRAM, str(run.folder), str(RECIPE), *_options(desk.url)]
        process = subprocess.Popen(words)
        assert process.wait(60) == -signal.SIGKILL
        assert (len(desk.batches), desk.answered) == (2, 0)
        waits = subprocess.Popen(words)
        deadline = time.monotonic() + 60
        while desk.answered < 8:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        waits.send_signal(signal.SIGKILL)
        assert waits.wait() == -signal.SIGKILL
        teach(run)
        owed = desk.answered * 1.3e-4 / 2
    assert desk.answered == 20
    assert sum(bill["dollars"] for bill in _ledger(run)) == pytest.approx(owed)
    assert sum(_texts(run).values()) == 4 * PRINTS
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert KEY.encode() not in path.read_bytes(), path
