"""A run before a judge on loopback: asked once, paid, and in no table where it is not believed."""

import json
import shlex

import pytest

import tiny_runs
from haiga import events
from haiga.cli import main
from haiga.errors import RecipeError
from haiga.evaluation.rating import controls, labels
from haiga.pipeline import labelling
from haiga.pipeline.check import check
from haiga.recipe.load import load
from haiga.sources import SOURCES
from haiga.store import FinalPictures, read_groups
from haiga.teachers.client import Request
from haiga.teachers.views import view
from haiga.teachers.witness import Witness
from providers import KEY, claude, served


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


def sees(folder):
    """A judge that knows what the held-out prints show."""
    pictures = FinalPictures(folder / "data" / "04_final")
    groups = read_groups(folder / "data" / "04_final", "held_out", ["haiku"])
    shows = {view(pictures[group.pictures[0].id], 896): group.meta["scene"] for group in groups}

    def script(number, body):
        shown, said = body["messages"][0]["content"]
        scene = shows.get(shown["source"]["data"])
        schema = body["output_config"]["format"]["schema"]
        meta = {"scene": scene} if scene else {}
        request = Request("haiku.judge", said["text"], "en", meta=meta, schema=schema)
        return claude(Witness().ask(request).text)

    return script


def words(url: str, dollars: float = 1.0) -> list[str]:
    teacher = (
        f'{{ name = "anthropic", model = "claude-haiku-5-5", max_dollars = {dollars}, '
        f'base_url = "{url}" }}'
    )
    said = f"evaluate.judge={{ teacher = {teacher}, repeats = 2, controls = 8 }}"
    return ["recipe.toml", "--set", said]


def test_a_judge_reads_what_was_written(home, monkeypatch):
    monkeypatch.setattr(controls, "FEWEST", 4)
    folder = home / "runs" / "tiny"
    with served(script=sees(folder)) as provider:
        said = tiny_runs.haiga(home, "evaluate", *words(provider.url), "--estimate")
        assert "calls" in said.out
        assert provider.asked == []
        said = tiny_runs.haiga(home, "evaluate", *words(provider.url))
        assert said.code == 0, said.err
        asked = len(provider.asked)
        again = tiny_runs.haiga(home, "evaluate", *words(provider.url))
        assert (again.code, len(provider.asked)) == (0, asked)
    found = json.loads((folder / "evaluation" / "judge.json").read_text())
    assert found["status"] == "uncalibrated"
    assert found["asked"] == asked
    assert found["duels"][0]["against"] == "reference"
    bills = events.read(folder / "ledger.jsonl")
    assert len(bills) == asked
    assert {bill["stage"] for bill in bills} == {"judge"}
    summary = json.loads((folder / "evaluation" / "summary.json").read_text())
    # The tiny model writes nothing that can be read, and that is a 0 of 5 prints, not of none.
    assert summary["sft"]["full"]["judged_grounding"]["n"] == 5
    assert "judged_grounding" not in summary["sft"]["grey"]
    rows = json.loads((folder / "evaluation" / "comparisons.json").read_text())
    assert {"judged_craft"} <= {row["check"] for row in rows}
    tiny_runs.haiga(home, "report", *words("http://127.0.0.1:1"))
    page = (folder / "report.html").read_text()
    assert "Before a judge" in page
    assert "It is uncalibrated: nobody has labelled" in page
    assert "the judge&#39;s points for grounding" in page


def test_a_judge_that_cannot_be_believed_is_in_no_table(home):
    folder = home / "runs" / "tiny"
    with served(script=sees(folder)) as provider:
        said = tiny_runs.haiga(home, "evaluate", *words(provider.url))
    assert said.code == 2
    assert "there are 5 good texts to try it on, and 8 are needed" in said.err
    summary = json.loads((folder / "evaluation" / "summary.json").read_text())
    assert "judged_grounding" not in summary["sft"]["full"]
    tiny_runs.haiga(home, "report", *words("http://127.0.0.1:1"))
    assert "is unreliable" in (folder / "report.html").read_text()


def test_a_judge_stays_within_its_budget(home, monkeypatch):
    monkeypatch.setattr(controls, "FEWEST", 4)
    with served(claude("{}")) as provider:
        said = tiny_runs.haiga(home, "evaluate", *words(provider.url, dollars=0.0001))
        assert said.code == 2
        assert "max_dollars" in said.err
        assert provider.asked == []


@pytest.mark.parametrize(
    ("judge", "says"),
    [
        ('teacher = { name = "poet" }', "the poet reads no texts"),
        ('teacher = { name = "wittness" }', "there is no 'wittness'"),
        ('teacher = { name = "anthropic", model = "x", max_dollars = 1.0 }', "no price of 'x'"),
        ('teacher = { name = "witness" }', "repeats: the witness says the same each time"),
        (
            'teacher = { name = "witness" }, repeats = 1, conditions = ["blnd"]',
            "evaluate.judge.conditions: there is no condition 'blnd' .did you mean 'blind'",
        ),
        ('teacher = { name = "witness" }, controls = 3', "greater than or equal to 8"),
    ],
)
def test_check_names_what_is_wrong(home, judge, says, monkeypatch):
    monkeypatch.chdir(home)
    with pytest.raises(RecipeError, match=says):
        check(load(home / "recipe.toml", [f"evaluate.judge={{ {judge} }}"]))


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ('teacher = { name = "poet" }', "evaluate.claims.teacher: the poet reads no texts"),
        ('teacher = { name = "witness" }', "the witness takes no texts apart; name a model"),
        (
            'teacher = { name = "anthropic", model = "claude-haiku-5-5" }',
            "evaluate.claims.teacher.max_dollars: anthropic needs this option",
        ),
    ],
)
def test_check_names_what_is_wrong_with_who_checks_statements(home, claims, says, monkeypatch):
    monkeypatch.chdir(home)
    with pytest.raises(RecipeError, match=says):
        check(load(home / "recipe.toml", [f"evaluate.claims={{ {claims} }}"]))


def test_a_judge_of_its_own_texts_is_noted(home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    model = '{ name = "anthropic", model = "claude-haiku-5-5", max_dollars = 1.0 }'
    sets = [f"teach.teacher={model}", f"evaluate.judge={{ teacher = {model} }}"]
    options = " ".join(f"--set {shlex.quote(each)}" for each in sets)
    assert main(shlex.split(f"check recipe.toml {options}")) == 0
    assert "judges what was learned from its own texts" in capsys.readouterr().out


def test_without_a_judge_nothing_is_estimated(home):
    said = tiny_runs.haiga(home, "evaluate", "recipe.toml", "--estimate")
    assert said.code == 2
    assert "names no judge" in said.err


def test_people_measure_the_judge(home, monkeypatch):
    """What the tiny model writes cannot be read; so its answers are replaced by poems."""
    monkeypatch.setattr(controls, "FEWEST", 4)
    monkeypatch.setattr(labels, "ENOUGH", 5)
    folder = home / "runs" / "tiny"
    path = folder / "evaluation" / "answers" / "sft" / "full.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    poems = [row["reference"] for row in rows]
    path.write_text(
        "".join(
            json.dumps({**row, "answer": poem}) + "\n"
            for row, poem in zip(rows, [*poems[1:], poems[0]], strict=True)
        )
    )
    with served(script=sees(folder)) as provider:
        options = words(provider.url)
        assert tiny_runs.haiga(home, "evaluate", *options).code == 0

        def labels_all(sheet, pictures, *, port, ready):
            ready("http://127.0.0.1:1/")
            for at, pair in enumerate(sheet.pairs):
                # People prefer what was written about the picture, as the judge does.
                sheet.save(at, "left" if pair.turned else "right", 1.0)

        monkeypatch.setattr(labelling, "serve", labels_all)
        said = tiny_runs.haiga(home, "label", *options, "--by", "anna", "--count", "50")
        assert said.code == 0, said.err
        assert "0 of 5 pairs are labelled. Open http://127.0.0.1:1/" in said.out
        assert "measured\t5\t1\t1.00 [0.48, 1.00]" in said.out
        assert tiny_runs.haiga(home, "evaluate", *options).code == 0
    found = json.loads((folder / "evaluation" / "judge.json").read_text())
    assert found["status"] == "measured"
    assert found["people"]["labelled"] == 5
    assert found["people"]["wins"]["sft against reference"]["mean"] == 0
    tiny_runs.haiga(home, "report", *words("http://127.0.0.1:1"))
    page = (folder / "report.html").read_text()
    assert "How far it agrees with people stands below" in page
    assert "1 person labelled 5 pairs" in page
    # Somebody else's recipe learns from them.
    data = str(folder / "evaluation" / "labels" / "pairs.jsonl")
    pairs = list(SOURCES["rlaif_v"](0, "en", 0, data=data))
    assert [each.fault for each in pairs] == [""] * 5
    refused = tiny_runs.haiga(home, "label", *options, "--by", "../x")
    assert refused.code == 2
    assert "it names a file" in refused.err
