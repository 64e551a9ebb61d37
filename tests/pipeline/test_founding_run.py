"""The founding recipes from end to end: a museum that throttles, a teacher that is paid, kills.

    python -m pytest -m slow tests/pipeline/test_founding_run.py

has them with 300 objects, 15 of which are held out.
"""

import json
import signal
import subprocess
import sys
import time

import pytest

import founding
from desks import open_desk
from haiga import events
from haiga.cli import main
from haiga.curation import captioning
from haiga.curation import run as curation
from haiga.store import Folder, read_groups
from haiga.teachers.bulk import fetch
from haiga.text.haiku import form
from providers import KEY, served

OBJECTS = 32
LOST = 5
"""Objects that cannot be used: three are not to be had, one is small, one a copy."""
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


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setattr(fetch, "FIRST", 0.01)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return founding.prepare(tmp_path_factory.mktemp("founding"), OBJECTS)


def _until(process, reached):
    deadline = time.monotonic() + 120
    while not reached():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_poems_are_in_form(language):
    verdicts = {form(poem, language).verdict for poem in founding.POEMS[language]}
    assert verdicts == {"pass"}


def test_from_the_museum_to_the_report_through_two_kills(home, monkeypatch):
    """The second in the middle of the teacher's critiques of its own poems."""
    monkeypatch.setattr(curation, "SHARD", 16)
    monkeypatch.setattr(captioning, "PAID_SHARD", 8)
    teacher = founding.Claude("en", delay=0.05)
    run = home / "runs" / "ukiyoe-haiku-en"
    with founding.museum(OBJECTS, monkeypatch) as museum, served(script=teacher) as provider:
        words = founding.words(
            home,
            "en",
            f"teach.teacher.base_url='{provider.url}'",
            "teach.teacher.pace={ at_once = 4 }",
            "split.held_out=4",
            "split.validation=3",
        )
        words = ["run", *words, "--workdir", str(home / "runs")]

        def begun():
            command = [sys.executable, "-c", PROGRAM, f"{museum.url}/v1/objects", *words]
            return subprocess.Popen(command, cwd=home)

        _until(begun(), lambda: museum.served.count("/v1/objects/20"))
        _until(begun(), lambda: teacher.kinds["revise"] > 3)
        time.sleep(0.2)  # the server ends what it was asked
        owed, paid = sum(teacher.owed), founding.paid(run)
        in_flight = len(teacher.owed) - len(paid)
        assert 0 <= in_flight <= 4
        assert main(words) == 0
    # The last session's ledger is the bill, to the cent; the killed one's lacks what was in flight.
    assert sum(founding.paid(run)) - sum(paid) == pytest.approx(sum(teacher.owed) - owed)
    assert len(teacher.owed) - len(founding.paid(run)) == in_flight
    _museum_was_asked_once(museum, OBJECTS)
    _funnel(run, "en", OBJECTS)
    _stages(run)
    _audited(run)
    _no_key_in(home)


def _museum_was_asked_once(museum, objects):
    """But for the blocked, and for what a kill had in flight."""
    counts = [museum.served.count(f"/v1/objects/{n}") for n in range(objects)]
    assert sum(counts) <= objects + objects // 12 + 1 + 2
    assert not any(museum.served.count(f"/v1/objects/{n}") for n in range(1000, 1000 + objects))


def _funnel(run, language, objects):
    data = run / "data"
    folders = ("00_raw", "01_filtered", "02_captioned", "03_quality_checked")
    reasons = {name: Folder(data / name).manifest().reasons for name in folders}
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
    splits = ("train", "validation", "held_out")
    groups = {split: read_groups(data / "04_final", split) for split in splits}
    held = {group.pictures[0].id for group in groups["held_out"]}
    assert held.isdisjoint(group.pictures[0].id for group in groups["train"])
    every = [group for each in groups.values() for group in each]
    assert len({group.pictures[0].id for group in every}) == objects - LOST
    assert {group.task for group in every} == {"describe", "haiku", "bare", "haiku_critique"}
    assert all(
        form(answer.text, language).verdict == "pass"
        for group in every if group.task != "describe" for answer in group.answers
    )  # fmt: skip
    assert {group.meta["licence"] for group in every} == {"CC0 1.0"}
    _traces([group for group in every if group.task == "haiku_critique"], language)


def _traces(groups, language):
    """Asked, drafted and doubted is the question; the faults and the better poem are learned."""
    assert groups
    for group in groups:
        asked, draft, doubted = group.prompt
        faults, again, better = group.answers[0].messages
        assert (asked.images, draft.role, doubted.role) == (1, "assistant", "user")
        assert founding.FAULTS[language]["missing"][0] in faults.text
        assert again.role == "user"
        assert better.text != draft.text


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
    assert (run / "report.html").stat().st_size > 10_000


def _audited(run):
    found = json.loads((run / "audit.json").read_text())
    assert set(found) == {"orpo", "kto"}
    assert all(each["rejected"] == "bare" and each["verdict"] for each in found.values())


def _no_key_in(home):
    """Nor in what the museum's cache holds: the whole folder, read byte by byte."""
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def _in_batches(home, language, objects, monkeypatch, *more):
    """A recipe as it stands: Claude in batches. Returns the run's folder."""
    teacher = founding.Claude(language, share=0.5)
    run = home / "runs" / f"ukiyoe-haiku-{language}"
    with founding.museum(objects, monkeypatch) as museum, open_desk(teacher) as desk:
        words = founding.words(home, language, f"teach.teacher.base_url='{desk.url}'", *more)
        if language == "ja":
            words += ["--set", f"teach.teachers.haiku.base_url='{desk.url}'"]
        assert main(["run", *words, "--workdir", str(home / "runs")]) == 0
    calls = [bill for bill in events.read(run / "ledger.jsonl") if "hours" not in bill]
    assert sum(bill["dollars"] for bill in calls) == pytest.approx(sum(teacher.owed))
    assert len(calls) == len(teacher.owed)
    assert {"poem", "critique", "revise", "describe"} == set(teacher.kinds)
    _museum_was_asked_once(museum, objects)
    _funnel(run, language, objects)
    _stages(run)
    _audited(run)
    _no_key_in(home)
    return run, teacher, desk


def test_in_japanese_and_in_batches_with_two_teachers(tmp_path, monkeypatch, capfd):
    objects = 18
    founding.prepare(tmp_path, objects)
    few = [
        "hour=3.6",
        "split.held_out=3",
        "split.validation=2",
        "evaluate.conditions=['full', 'blind', 'random_projector']",
    ]
    run, _, desk = _in_batches(tmp_path, "ja", objects, monkeypatch, *few)
    # Texts, critiques and better texts of the one, texts of the other, and what was overloaded.
    assert len(desk.batches) <= 5
    ledger = events.read(run / "ledger.jsonl")
    by_model = {bill["model"] for bill in ledger if "hours" not in bill}
    assert by_model == {"claude-haiku-5-5", "claude-sonnet-5-5"}
    hours = {bill["stage"]: bill for bill in ledger if "hours" in bill}
    assert set(hours) == {"align", "sft", "orpo", "kto", "evaluation"}
    # At 3.60 an hour a second is a tenth of a cent.
    assert all(b["dollars"] == pytest.approx(b["seconds"] / 1000, abs=1e-6) for b in hours.values())
    seconds = json.loads((run / "stages" / "sft" / "manifest.json").read_text())["seconds"]
    assert hours["sft"]["seconds"] == pytest.approx(seconds, abs=0.01)
    said = capfd.readouterr()
    assert KEY not in said.out + said.err


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "ja"])
def test_three_hundred_objects(tmp_path, monkeypatch, language):
    objects = 300
    founding.prepare(tmp_path, objects)
    sizes = ["split.held_out=15", "split.validation=10"]
    run, teacher, desk = _in_batches(tmp_path, language, objects, monkeypatch, *sizes)
    held = {g.pictures[0].id for g in read_groups(run / "data" / "04_final", "held_out")}
    assert len(held) == 15
    calls, dollars = len(teacher.owed), sum(teacher.owed)
    print(f"{language}: {calls} questions in {len(desk.batches)} batches, ${dollars:.4f}")
