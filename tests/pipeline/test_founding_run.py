"""The founding recipe from end to end: a museum that throttles, a teacher that is paid, kills.

The museum and the teacher are servers on loopback, and two tiny random models stand for SigLIP and
Qwen; all else is the recipe as it is shipped, in smaller numbers.
"""

import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

import pytest

import tiny
from haiga import events
from haiga.cli import main
from haiga.curation import captioning
from haiga.curation import run as curation
from haiga.store import Folder, read_groups
from haiga.text.haiku import form
from loopback import send, serving
from made import picture
from museum import PRINT, Museum, block, send_json, table_of, told
from providers import KEY, claude, fault, served

RECIPES = Path(__file__).parents[2] / "recipes"
OBJECTS = 40
SIDE = 240
FIRST = (
    "rain on the old bridge",
    "snow over the town",
    "one crane by the reeds",
    "the ferry at dusk",
)
SECOND = (
    "a woman shelters from rain",
    "the boatman leans on his pole",
    "lanterns tremble on the wave",
)
THIRD = ("the road bends away", "a bell far away", "the moon climbs the pines")
POEMS = ["\n".join(lines) for lines in itertools.product(FIRST, SECOND, THIRD)]
PRICES = {"claude-haiku-5-5": (0.10, 0.50), "claude-sonnet-5-5": (2.0, 10.0)}
PROGRAM = """
import sys
from importlib import import_module
from haiga.cli import main

room = import_module("haiga.sources.met")
room.API, room.BLOCKED = sys.argv.pop(1), 0.05
import_module("haiga.curation.run").SHARD = 16
import_module("haiga.curation.captioning").PAID_SHARD = 8
sys.exit(main())
"""
"""The command line, with the museum on loopback, and shards of which there are several."""


class Claude:
    """A teacher that counts what it is owed."""

    def __init__(self, delay=0.0):
        self.delay = delay
        self.owed = []
        self._lock = threading.Lock()

    def __call__(self, number, body):
        with self._lock:
            if number == 5:
                return fault(529, "overloaded_error", "Overloaded", retry_after="0.01")
            tokens = (900 + number, 30 + number % 7)
            prices = PRICES[body["model"]]
            self.owed.append(sum(t * p for t, p in zip(tokens, prices, strict=True)) / 1e6)
        if number == 9:
            reply = claude("", "refusal", tokens)
        elif "You describe" in body["system"]:
            reply = claude(f"A woman stands by bridge number {number} in the rain.", tokens=tokens)
        else:
            poem = POEMS[number % len(POEMS)] if number % 11 else "no poem\nof any form"
            reply = claude(poem, tokens=tokens)
        reply.delay = self.delay
        return reply


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Tiny models, and a table in which one row of two is a print."""
    folder = tmp_path_factory.mktemp("founding")
    tiny.tiny_tower(folder / "tower")
    tiny.tiny_language_model(folder / "language")
    other = {**PRINT, "Medium": "Lithograph"}
    rows = [
        {**each, "Object ID": str(n + place)}
        for n in range(OBJECTS)
        for place, each in ((0, PRINT), (1000, other))
    ]
    table_of(folder / "MetObjects.csv", rows)
    return folder


@pytest.fixture
def museum(monkeypatch):
    """It blocks whoever comes the twelfth time, and has what a museum has."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        room = import_module("haiga.sources.met")
        monkeypatch.setattr(room, "API", f"{server.url}/v1/objects")
        monkeypatch.setattr(room, "BLOCKED", 0.05)
        made = Museum(server, OBJECTS, SIDE)
        routes = server.routes
        for n in (12, 24, 36):
            answer = told(server.url, n)
            routes[f"/v1/objects/{n}"] = lambda h, t, answer=answer: (
                send_json(h, answer) if t > 1 else block(h)
            )
        made.object(3, primaryImage="", primaryImageSmall="")
        routes["/v1/objects/4"] = lambda h, t: send_json(h, {"message": "ObjectID not found"}, 404)
        del routes["/web-large/5.jpg"]
        small, twin = picture(6, "JPEG", 100), picture(8, "JPEG", SIDE)
        routes["/web-large/6.jpg"] = lambda h, t: send(h, small)
        routes["/web-large/7.jpg"] = lambda h, t: send(h, twin)
        yield made


def _words(home, language, provider, museum, *more):
    """What is written behind `haiga run`: one --set for each thing that is not the real one."""
    changes = [
        f"source.data='{home}/MetObjects.csv'",
        f"source.cache='{home}/{language}-met'",
        "source.seconds=0.0",
        f"model.tower='{home}/tower'",
        f"model.language_model='{home}/language'",
        f"teach.teacher.base_url='{provider.url}'",
        "split.held_out=4",
        "split.validation=3",
        "evaluate.max_new_tokens=4",
        *more,
    ]
    recipe = RECIPES / f"ukiyoe-haiku-{language}.toml"
    return [str(recipe), *itertools.chain(*(("--set", each) for each in changes))]


def _ledger(run):
    return [bill["dollars"] for bill in events.read(run / "ledger.jsonl")]


def _until(process, reached):
    deadline = time.monotonic() + 120
    while not reached():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_the_poems_are_in_form():
    assert {form(poem, "en").verdict for poem in POEMS} == {"pass"}


def test_from_the_museum_to_the_report_through_two_kills(home, museum, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setattr(curation, "SHARD", 16)
    monkeypatch.setattr(captioning, "PAID_SHARD", 8)
    teacher = Claude(delay=0.05)
    api = f"{museum.url}/v1/objects"
    run = home / "runs" / "ukiyoe-haiku-en"
    with served(script=teacher) as provider:
        words = ["run", *_words(home, "en", provider, museum), "--workdir", str(home / "runs")]

        def begun():
            return subprocess.Popen([sys.executable, "-c", PROGRAM, api, *words], cwd=home)

        _until(begun(), lambda: museum.served.count("/v1/objects/20"))
        _until(begun(), lambda: len(provider.asked) > 60)
        time.sleep(0.2)  # the server ends what it was asked
        owed, paid = sum(teacher.owed), _ledger(run)
        in_flight = len(teacher.owed) - len(paid)
        assert 0 <= in_flight <= 4
        assert main(words) == 0
    # The last session's ledger is the bill, to the cent; the killed one's lacks what was in flight.
    assert sum(_ledger(run)) - sum(paid) == pytest.approx(sum(teacher.owed) - owed)
    assert len(teacher.owed) - len(_ledger(run)) == in_flight
    _museum_was_asked_once(museum)
    _funnel(run)
    _stages(run)
    assert KEY not in (run / "ledger.jsonl").read_text()
    assert (run / "report.html").stat().st_size > 10_000


def _museum_was_asked_once(museum):
    """But for the blocked, and for what a kill had in flight."""
    counts = [museum.served.count(f"/v1/objects/{n}") for n in range(OBJECTS)]
    assert sum(counts) <= OBJECTS + 3 + 2
    assert not any(museum.served.count(f"/v1/objects/{n}") for n in range(1000, 1000 + OBJECTS))


def _funnel(run):
    data = run / "data"
    reasons = {
        name: Folder(data / name).manifest().reasons
        for name in ("00_raw", "01_filtered", "02_captioned", "03_quality_checked")
    }
    assert reasons["00_raw"] == {
        "the museum shows no picture": 1,
        "not in the API (404)": 1,
        "HTTP 404": 1,
    }
    assert reasons["01_filtered"] == {
        "shorter side under 224 px": 1,
        "same file as another": 1,
    }
    assert reasons["02_captioned"] == reasons["03_quality_checked"] == {}
    groups = {
        split: read_groups(data / "04_final", split)
        for split in ("train", "validation", "held_out")
    }
    held = {group.pictures[0].id for group in groups["held_out"]}
    assert len(held) == 4
    assert held.isdisjoint(group.pictures[0].id for group in groups["train"])
    every = [group for each in groups.values() for group in each]
    assert {group.task for group in every} == {"describe", "haiku", "bare"}
    assert all(
        form(answer.text, "en").verdict == "pass"
        for group in every if group.task != "describe" for answer in group.answers
    )  # fmt: skip
    assert {group.meta["licence"] for group in every} == {"CC0 1.0"}


def _stages(run):
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    assert {"align", "sft", "orpo", "kto"} <= set(summary)
    assert {"full", "blind", "random_projector"} <= set(summary["orpo"])
    first = {
        stage: next(each for each in events.read(path) if each["kind"] == "step")
        for stage in ("align", "sft", "orpo", "kto")
        for path in [run / "stages" / stage / "events.jsonl"]
    }
    assert {"chosen_mean_logps", "rejected_mean_logps"} <= set(first["orpo"])
    # KTO's reference is SFT's own model, so that every reward begins at 0.
    assert first["kto"]["chosen_rewards"] == pytest.approx(0, abs=1e-2)
