"""`haiga teach` with a remote teacher on loopback: estimated, asked, paid, killed and gone on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from haiga import events
from haiga.cli import main
from haiga.curation import captioning
from haiga.errors import BudgetError, DataError, DriftError, RecipeError
from haiga.pipeline import teaching
from haiga.pipeline.check import check
from haiga.pipeline.data import curate, gather, make_data
from haiga.pipeline.run import Run
from haiga.recipe.load import load
from haiga.store import read_groups
from providers import KEY, Reply, chat, claude, fault, served

RECIPE = Path(__file__).parents[2] / "recipes" / "smoke.toml"
PRINTS = 12


def _options(url: str, **teacher) -> list[str]:
    component = {
        "name": "anthropic",
        "model": "claude-haiku-5-5",
        "max_dollars": 1.0,
        "base_url": url,
        **teacher,
    }
    return [
        f"source.prints={PRINTS}",
        "source.faults=0.0",
        "curate.hamming=0",
        "split.held_out=2",
        "split.validation=1",
        f"teach.teacher={_toml(component)}",
    ]


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


def _run(folder: Path, url: str, *more: str, **teacher) -> Run:
    recipe = load(RECIPE, [*_options(url, **teacher), *more])
    said: list[dict] = []
    run = Run(recipe, folder, said.append)
    object.__setattr__(run, "said", said)
    return run


def _poem(number: int, body: dict) -> Reply:
    return claude("an old silent pond\na frog jumps into the pond\nsplash! silence again")


def _ledger(run: Run) -> list[dict]:
    return events.read(run.folder / "ledger.jsonl")


def _notes(run: Run) -> list[str]:
    return [event["text"] for event in run.said if event["kind"] == "note"]


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.fixture(scope="module")
def curated(tmp_path_factory) -> Path:
    """A run as far as nothing is paid."""
    run = _run(tmp_path_factory.mktemp("curated"), "http://127.0.0.1:1")
    gather(run)
    curate(run)
    return run.folder


@pytest.fixture
def folder(curated, tmp_path) -> Path:
    return shutil.copytree(curated, tmp_path, copy_function=os.link, dirs_exist_ok=True)


def test_what_is_written_reaches_training_and_every_cent_the_ledger(folder):
    busy = fault(529, "overloaded_error", "Overloaded", retry_after="0.01")
    with served(script=lambda n, body: busy if n == 3 else _poem(n, body)) as provider:
        run = _run(folder, provider.url, pace={"at_once": 6})
        make_data(run)
        tasks = len(run.recipe.teach.tasks)
        calls = sum(run.recipe.teach.calls().values()) * PRINTS
        assert provider.billed == calls == len(provider.asked) - 1
        assert 1 < provider.together <= 6
    bills = _ledger(run)
    assert len(bills) == calls
    assert sum(bill["dollars"] for bill in bills) == pytest.approx(calls * 1.3e-4)
    assert {bill["stage"] for bill in bills} == {"02_captioned"}
    groups = read_groups(run.data("04_final").path, "train")
    assert {a.source for g in groups for a in g.answers} >= {"claude-haiku-5-5"}
    # The estimate before, and the fact beside it.
    before, after = _notes(run)[:2]
    assert before.startswith(f"asking claude-haiku-5-5: about {calls} calls, ")
    fact = f"{calls} calls, {calls * 1100:,} tokens in, {calls * 40:,} out, $0."
    assert after.startswith(f"claude-haiku-5-5: {fact}")
    assert "; estimated were " in after
    # Once it is written, nobody is needed, and nothing is said.
    again = _run(folder, "http://127.0.0.1:1", pace={"at_once": 6})
    make_data(again)
    assert _notes(again) == []
    assert tasks
    _no_key_in(folder)


def _no_key_in(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path


def test_system_prompts_say_how_to_write_and_the_picture_is_the_original(folder):
    with served(script=_poem) as provider:
        run = _run(folder, provider.url, "teach.tasks=['haiku']", "teach.answers=1")
        teaching.teach(run)
    assert all("5, 7 and 5 syllables" in body["system"] for body in provider.asked)
    kinds = [part["type"] for part in provider.asked[0]["messages"][0]["content"]]
    assert kinds == ["image", "text"]


def test_a_refusal_is_paid_for_and_not_asked_again(folder):
    def script(number, body):
        return claude("", "refusal") if number < 2 else _poem(number, body)

    more = ("teach.tasks=['haiku']", "teach.answers=1")
    with served(script=script) as provider:
        run = _run(folder, provider.url, *more, pace={"at_once": 1})
        teaching.teach(run)
        assert len(provider.asked) == PRINTS
    assert [bill["stop"] for bill in _ledger(run)].count("refusal") == 2
    (warning,) = [event["text"] for event in run.said if event["kind"] == "warning"]
    assert warning.startswith("2 calls to the teacher failed")
    assert "refused to answer" in warning


def test_a_spent_budget_stops_and_a_raised_one_goes_on(folder):
    more = ("teach.tasks=['haiku']", "teach.answers=1")
    with served(script=_poem) as provider:
        poor = _run(folder, provider.url, *more, max_dollars=0.0012, pace={"at_once": 3})
        with pytest.raises(BudgetError, match=r"was not made\. Raise max_dollars"):
            teaching.teach(poor)
        asked = len(provider.asked)
        assert 0 < asked < PRINTS
        assert sum(bill["dollars"] for bill in _ledger(poor)) <= 0.0012
        assert "; estimated were " in _notes(poor)[-1]  # also of a session that broke off
        rich = _run(folder, provider.url, *more, max_dollars=1.0)
        teaching.teach(rich)
        assert len(provider.asked) == PRINTS  # what was paid for is kept
    assert len(list(rich.data("02_captioned").rows())) == PRINTS


def test_the_estimate_asks_nothing_and_needs_no_key(folder, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    more = ("teach.tasks=['haiku']", "teach.answers=2")
    run = _run(folder, "http://127.0.0.1:1", *more, pace={"at_once": 2, "per_minute": 60})
    (guessed,) = teaching.cost(run).values()
    assert (guessed.calls, guessed.measured) == (2 * PRINTS, 0)
    assert guessed.tokens_out == 24 * 150
    assert guessed.seconds == 24 * 5.0 / 2
    assert guessed.dollars == pytest.approx((guessed.tokens_in * 0.1 + 24 * 150 * 0.5) / 1e6)
    assert guessed.most > guessed.dollars
    # What was measured takes the place of what was guessed; what is kept is not asked again.
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with served(script=_poem) as provider:
        half = ("teach.tasks=['haiku']", "teach.answers=1")
        teaching.teach(_run(folder, provider.url, *half))
    (known,) = teaching.cost(run).values()
    assert (known.calls, known.measured, known.tokens_out) == (PRINTS, PRINTS, PRINTS * 40)
    assert known.seconds >= PRINTS  # one a second, however fast the answers


def test_the_estimate_of_a_free_teacher_is_nothing(folder):
    assert teaching.cost(_run(folder, "", "teach.teacher={name='poet'}")) == {}


def test_the_command_says_it_and_writes_no_text(folder, tmp_path, capsys):
    words = [f"--set={option}" for option in _options("http://127.0.0.1:1")]
    home = tmp_path / "home"
    name = load(RECIPE).name
    (home / name).mkdir(parents=True)
    (folder / "data").rename(home / name / "data")
    command = ["teach", str(RECIPE), *words, "--workdir", str(home)]
    assert main([*command, "--estimate"]) == 0
    said = capsys.readouterr().out
    assert "calls\t" in said
    assert "dollars at most\t0.0" in said
    assert "Nothing was asked. Next: haiga teach" in said
    assert not (home / name / "data" / "02_captioned").exists()


def test_the_command_teaches(folder, tmp_path, capsys):
    home, name = tmp_path / "home", load(RECIPE).name
    (home / name).mkdir(parents=True)
    (folder / "data").rename(home / name / "data")
    with served(script=_poem) as provider:
        words = [f"--set={option}" for option in _options(provider.url)]
        assert main(["teach", str(RECIPE), *words, "--workdir", str(home)]) == 0
    assert f"02_captioned\t{PRINTS}\t{PRINTS}\t0" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["run", "curate", "teach"])
def test_who_has_no_key_is_told_before_anything_is_gathered(command, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    words = [f"--set={option}" for option in _options("https://api.anthropic.com")]
    assert main([command, str(RECIPE), *words, "--workdir", str(tmp_path)]) == 2
    assert capsys.readouterr().err.rstrip().endswith("Set it, and run the same command again.")
    assert not list(tmp_path.glob("*/data"))


def test_nobody_is_paid_for_pictures_that_cannot_be_split(folder, capsys):
    with served(script=_poem) as provider:
        run = _run(folder, provider.url, "split.held_out=200")
        with pytest.raises(
            DataError, match=r"less: --set split.held_out=2 --set split.valid\S+=1\."
        ):
            make_data(run)
    assert provider.asked == []
    assert f"01_filtered\t{PRINTS}\t{PRINTS}\t0" in capsys.readouterr().out, "what left, and why"


def test_check_speaks_of_keys_prices_and_limits(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    notes = check(load(RECIPE, _options("https://api.anthropic.com")))
    assert any("the environment variable ANTHROPIC_API_KEY is not set" in note for note in notes)
    unknown = _options("https://api.anthropic.com", model="claude-of-tomorrow")
    with pytest.raises(RecipeError, match=r"teacher\.model: no price of 'claude-of-tomorrow'"):
        check(load(RECIPE, unknown))
    known = [*unknown, 'prices={"claude-of-tomorrow" = [1.0, 5.0]}']
    check(load(RECIPE, known))
    component = {"name": "openai_compatible", "model": "gpt-6-sol"}
    component |= {"base_url": "https://api.openai.com/v1"}
    with pytest.raises(RecipeError, match=r"teach\.teacher\.max_dollars: gpt-6-sol is paid for"):
        check(load(RECIPE, [f"teach.teacher={_toml(component)}"]))


def test_a_local_server_costs_nothing_and_needs_nothing(folder, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    component = "{{ name = 'openai_compatible', model = 'qwen', base_url = '{url}/v1' }}"
    with served(chat("an old silent pond")) as provider:
        more = f"teach.teacher={component.format(url=provider.url)}"
        run = _run(folder, "", more, "teach.tasks=['haiku']", "teach.answers=1")
        check(run.recipe)
        teaching.teach(run)
    assert {bill["dollars"] for bill in _ledger(run)} == {0.0}
    assert "authorization" not in provider.headers[0]


def test_every_voice_and_one_of_ones_own_reach_training_in_their_form(
    folder, tmp_path, monkeypatch
):
    """What is too long for its voice is set aside with the reason."""
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices" / "letter.en.txt").write_text("Write a letter.\n\nYou write letters.")
    monkeypatch.chdir(tmp_path)
    long = "The boat of the letter is a long one. " * 5

    def script(number, body):
        letter = body["system"] == "You write letters."
        said = f"A boat lies at bridge {number} in the rain."
        return claude(long if letter and number % 8 == 3 else said)

    tasks = ["noir", "museum", "alt", "letter"]
    rules = {task: [{"name": "words", "minimum": 4, "maximum": 30}] for task in tasks}
    more = [f"teach.tasks={json.dumps(tasks)}", "teach.answers=1"]
    more.append("stage.sft.tasks=['letter']")
    more.append("curate.texts={" + ", ".join(
        f"{task} = [{_toml(rule)}]" for task, (rule,) in rules.items()
    ) + "}")  # fmt: skip
    with served(script=script) as provider:
        run = _run(folder, provider.url, *more, pace={"at_once": 1})
        check(run.recipe)
        make_data(run)
        asked = {body["messages"][0]["content"][-1]["text"] for body in provider.asked}
    assert "Write a letter." in asked
    assert len(asked) == 4
    groups = read_groups(run.data("04_final").path, "train")
    assert set(tasks) <= {group.task for group in groups}
    aside = [
        (text["task"], text["reason"])
        for row in run.data("03_quality_checked").rows()
        for text in row["set_aside"]
    ]
    assert set(aside) == {("letter", "over 30 words")}


def _two(url: str, model: str = "claude-sonnet-5-5", **options) -> list[str]:
    other = {"name": "anthropic", "model": model, "max_dollars": 1.0, "base_url": url, **options}
    return [
        "teach.tasks=['haiku', 'bare']",
        "teach.answers=1",
        f"teach.teachers.haiku={_toml(other)}",
    ]


def test_a_task_may_have_a_teacher_of_its_own(folder):
    with served(script=_poem) as provider:
        run = _run(folder, provider.url, *_two(provider.url, pace={"at_once": 3}))
        teaching.teach(run)
    rich = "5, 7 and 5 syllables. Count"
    who = {(rich in body["system"], body["model"]) for body in provider.asked}
    assert who == {(True, "claude-sonnet-5-5"), (False, "claude-haiku-5-5")}
    texts = {
        (text["task"], text["source"])
        for row in run.data("02_captioned").rows()
        for text in row["answers"]
        if text["source"] != "source"
    }
    assert texts == {("haiku", "claude-sonnet-5-5"), ("bare", "claude-haiku-5-5")}
    dollars = {model: PRINTS * paid for model, paid in (
        ("claude-sonnet-5-5", 2.6e-3), ("claude-haiku-5-5", 1.3e-4),
    )}  # fmt: skip
    for model, paid in dollars.items():
        bills = [bill["dollars"] for bill in _ledger(run) if bill["model"] == model]
        assert sum(bills) == pytest.approx(paid)
    assert [note.split(":")[0] for note in _notes(run)] == [
        "asking claude-haiku-5-5",
        "asking claude-sonnet-5-5",
        "claude-haiku-5-5",
        "claude-sonnet-5-5",
    ]
    # Another teacher of the one task is another stage.
    again = _run(folder, provider.url, *_two(provider.url, effort="low"))
    with pytest.raises(DriftError, match="teachers"):
        teaching.teach(again)


def test_each_teacher_has_its_own_estimate(folder):
    run = _run(folder, "http://127.0.0.1:1", *_two("http://127.0.0.1:1"))
    costs = teaching.cost(run)
    assert {model: cost.calls for model, cost in costs.items()} == {
        "claude-haiku-5-5": PRINTS,
        "claude-sonnet-5-5": PRINTS,
    }
    assert costs["claude-sonnet-5-5"].dollars > 15 * costs["claude-haiku-5-5"].dollars


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            _two("http://x", model="claude-haiku-5-5"),
            r"haiku\.model: claude-haiku-5-5 is teach\.te",
        ),
        (_two("http://x", max_dollar=1.0), r"teach\.teachers\.haiku\.max_dollar"),
        (["teach.teachers.haikku={name='poet'}"], r"teachers\.haikku: no such task .*'haiku'"),
        (["teach.teachers.haiku={name='poet'}"], r"each task has a teacher of its own"),
    ],
)
def test_faults_of_several_teachers_are_sentences(change, sentence):
    with pytest.raises(RecipeError, match=sentence):
        check(load(RECIPE, [*_options("https://api.anthropic.com"), *change]))


WORKER = """
import sys
from pathlib import Path

if __name__ == "__main__":
    folder, recipe, *options = sys.argv[1:]
    from haiga.curation import captioning
    from haiga.pipeline import teaching
    from haiga.pipeline.run import Run
    from haiga.recipe.load import load

    captioning.PAID_SHARD = 4
    teaching.teach(Run(load(Path(recipe), options), Path(folder), lambda event: None))
"""


def test_a_killed_session_pays_twice_only_what_was_in_flight(folder, monkeypatch):
    at_once = 2
    monkeypatch.setattr(captioning, "PAID_SHARD", 4)
    more = ["teach.tasks=['haiku']", "teach.answers=1"]

    def script(number, body):
        reply = _poem(number, body)
        reply.delay = 0.15
        return reply

    with served(script=script) as provider:
        options = [*_options(provider.url, pace={"at_once": at_once}), *more]
        command = [sys.executable, "-c", WORKER, str(folder), str(RECIPE), *options]
        worker = subprocess.Popen(command)
        deadline = time.monotonic() + 120
        while len(provider.asked) < 7 and time.monotonic() < deadline:
            time.sleep(0.01)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        killed = len(provider.asked)
        assert 7 <= killed < PRINTS
        time.sleep(0.3)  # the server ends what it was asked
        run = _run(folder, provider.url, *more, pace={"at_once": at_once})
        teaching.teach(run)
        twice = len(provider.asked) - PRINTS
        assert 0 <= twice <= at_once
        bills = [bill for bill in _ledger(run) if "lost" not in bill]
        assert provider.billed - len(bills) <= at_once
    # The ledger says how many that may be, and how much: each at most all that it may have cost.
    (lost,) = [bill for bill in _ledger(run) if "lost" in bill]
    # One that was billed, and not kept yet when the kill came, is in the ledger twice.
    assert twice <= lost["lost"] + len(bills) - PRINTS
    assert lost["lost"] <= at_once
    assert 0 < lost["most"] < at_once * 0.002
    assert lost["dollars"] == 0.0
    (warning,) = [event["text"] for event in run.said if event["kind"] == "warning"]
    assert (
        f"{lost['lost']} calls to claude-haiku-5-5 were in flight when a session was k" in warning
    )
    asked = [json.dumps(body, sort_keys=True) for body in provider.asked]
    assert len(asked) - len(set(asked)) == twice
    assert len(list(run.data("02_captioned").rows())) == PRINTS
    assert len(list((folder / "answers").rglob("*.json"))) == PRINTS
