"""A folder of somebody's pictures, of which nobody knows what they show: did it help?"""

import json
import re
import shutil

import pytest

import tiny
import tiny_runs
import tiny_towers
from desks import open_desk
from haiga import events
from haiga.evaluation.rating import controls, statements
from haiga.pipeline import belonging
from haiga.store import FinalPictures, read_groups
from haiga.teachers.bulk import fetch
from haiga.teachers.exchanges.words import fenced_off
from haiga.teachers.views import view
from made import picture
from providers import KEY, claude, served

RECIPE = """
name = "own"
language = "en"
seed = 7
[source]
name = "folder"
path = "pictures"
[split]
held_out = 5
validation = 2
[model]
tower = "towers"
language_model = "language"
image_token = "<|image_pad|>"
[stage.align]
tasks = ["describe"]
objective = { name = "cross_entropy" }
trainable = [[".*multi_modal_projector.*", 2e-3], [".*", "frozen"]]
steps = 1
batch = 4
[stage.again]
starts_from = "align"
tasks = ["describe"]
objective = { name = "cross_entropy" }
trainable = [[".*multi_modal_projector.*", 2e-3], [".*", "frozen"]]
steps = 1
batch = 4
[evaluate]
conditions = ["full", "blind", "shuffled"]
max_new_tokens = 4
timed = 0
"""


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("own")
    tiny_towers.tiny_towers(home / "towers", "siglip")
    tiny.tiny_language_model(home / "language")
    (home / "pictures").mkdir()
    for at in range(14):
        (home / "pictures" / f"{at:02}.png").write_bytes(picture(at))
        (home / "pictures" / f"{at:02}.txt").write_text(f"A boat before mountain {at} at dawn.")
    (home / "recipe.toml").write_text(RECIPE)
    said = tiny_runs.haiga(home, "run", "recipe.toml")
    assert said.code == 0, said.err
    # Whoever does not open the report has its first words all the same.
    assert "towers does not surely find the pictures of the very texts" in said.out
    return home


@pytest.fixture
def home(made, tmp_path):
    return shutil.copytree(made, tmp_path / "home", copy_function=shutil.copy2)


def evaluation(home, name):
    return json.loads((home / "runs/own/evaluation" / name).read_text("utf-8"))


def page(home):
    return (home / "runs/own/report.html").read_text("utf-8")


def knowing(home):
    """A provider that knows which mountain each picture shows, and takes no orders."""
    data = home / "runs/own/data/04_final"
    pictures = FinalPictures(data)
    mountains = {
        view(pictures[group.pictures[0].id], 896): re.search(r"\d+", group.answers[0].text)[0]
        for group in read_groups(data, "held_out", ["describe"])
    }

    def says(number, body):
        *shown, said = body["messages"][0]["content"]
        own = mountains.get(shown[0]["source"]["data"]) if shown else None
        asked, *texts = fenced_off(said["text"])
        if not shown:
            return claude(json.dumps({"statements": [texts[0], "There is a boat."]}))
        true = [f"mountain {own} " in text and "dawn.\n" not in text for text in texts or [asked]]
        if "shown" in body["output_config"]["format"]["schema"]["properties"]:
            return claude(json.dumps({"seen": "", "shown": "yes" if true[0] else "unclear"}))
        if len(texts) == 2:
            better = "equal" if true[0] == true[1] else "first" if true[0] else "second"
            return claude(json.dumps({"evidence": [], "better": better}))
        axes = dict.fromkeys(("grounding", "style", "craft"), 5 if true[0] else 1)
        return claude(json.dumps({"evidence": [], **axes, "flags": []}))

    return says


def asking(section, url, **more):
    """The options of a command that names Claude at an address in a section of the recipe."""
    how = {"name": "anthropic", "model": "claude-haiku-5-5", "max_dollars": 1.0, "base_url": url}
    told = ", ".join(f"{key} = {json.dumps(each)}" for key, each in how.items())
    pace = f", pace = {{ batch = {more.pop('batch')} }}" if "batch" in more else ""
    rest = "".join(f", {key} = {each}" for key, each in more.items())
    return ["--set", f"evaluate.{section}={{ teacher = {{ {told}{pace} }}{rest} }}"]


def test_an_encoder_that_cannot_tell_is_in_no_table(made):
    assert "own_picture" not in evaluation(made, "summary.json")["again"]["full"]
    found = evaluation(made, "own_picture.json")
    assert found["references"]["low"] <= 0.5
    assert not found["believed"]
    assert "so no check here tells whether again uses them" in page(made)


@pytest.fixture
def believed(home, monkeypatch):
    monkeypatch.setattr(belonging, "CHANCE", -1.0)
    assert tiny_runs.haiga(home, "run", "recipe.toml").code == 0
    return home


def test_an_encoder_that_can_is_asked_once(believed, monkeypatch):
    found = evaluation(believed, "own_picture.json")
    assert (found["believed"], found["encoder"]) == (True, "towers")
    cells = evaluation(believed, "summary.json")["again"]
    assert cells["full"]["own_picture"]["n"] == 5
    assert cells["shuffled"].keys() >= {"own_picture", "parsed"}
    assert "As towers sees it, an answer of again fits" in page(believed)
    monkeypatch.setattr(belonging.own_picture, "seen", None)
    assert tiny_runs.haiga(believed, "run", "recipe.toml").code == 0
    assert evaluation(believed, "own_picture.json") == found


def test_a_recipe_may_name_another_encoder(home, monkeypatch):
    monkeypatch.setattr(belonging, "CHANCE", -1.0)
    tiny_towers.tiny_towers(home / "other", "clip")
    words = ["recipe.toml", "--set", "evaluate.encoder='other'"]
    assert tiny_runs.haiga(home, "run", *words).code == 0
    assert evaluation(home, "own_picture.json")["encoder"] == "other"
    said = tiny_runs.haiga(home, "run", "recipe.toml", "--set", "evaluate.encoder='./none'")
    assert said.code == 2
    assert "evaluate.encoder" in said.err


def test_every_number_on_the_front_page_is_the_sum_of_rows_that_it_leads_to(believed):
    told = page(believed)
    front = re.search(r'<p class="verdict">(.*?)</p>', told, re.DOTALL)[1]
    assert not re.search(r"\d", re.sub(r"<a .*?</a>", "", front))
    led = re.findall(r'<a href="#(score/[^"]+/[^"]+)">(\d+) %</a>', front)
    assert led[0][0] == "score/again/full/own_picture"
    for link, text in led:
        _, stage, condition, check = link.split("/")
        (row,) = (
            row for row in re.findall(r"<tr.*?</tr>", told, re.DOTALL) if f'id="{link}"' in row
        )
        scores, answers = (
            (believed / "runs/own" / re.search(rf'href="([^"]*/{what}/[^"]*)"', row)[1])
            .read_text("utf-8")
            .splitlines()
            for what in ("scores", "answers")
        )
        scored, said = ([json.loads(line) for line in lines] for lines in (scores, answers))
        assert [each["id"] for each in scored] == [each["id"] for each in said]
        parts = [each[check] for each in scored if each[check]]
        mean = sum(part[0] for part in parts) / sum(part[1] for part in parts)
        assert f"{100 * mean:.0f}" == text
        cells = evaluation(believed, "summary.json")[stage][condition]
        assert mean == pytest.approx(cells[check]["mean"])


def test_a_judges_grounding_comes_before_what_the_model_says_of_itself(home, monkeypatch):
    monkeypatch.setattr(controls, "FEWEST", 4)
    with served(script=knowing(home)) as provider:
        words = asking("judge", provider.url, repeats=1, controls=8)
        said = tiny_runs.haiga(home, "run", "recipe.toml", *words)
    assert evaluation(home, "judge.json")["status"] == "uncalibrated", said.err
    assert "judged_grounding" in evaluation(home, "summary.json")["again"]["blind"]
    assert "claude-haiku-5-5 gives an answer of again" in page(home)
    assert "nobody has compared this judge with people" in page(home)


def test_a_teacher_checks_what_is_stated(home, monkeypatch):
    monkeypatch.setattr(statements, "FEWEST", 4)
    monkeypatch.setattr(controls, "FEWEST", 4)
    with served(script=knowing(home)) as provider:
        words = asking("claims", provider.url, items=5, controls=8)
        said = tiny_runs.haiga(home, "evaluate", "recipe.toml", *words, "--estimate")
        assert "claude-haiku-5-5, checking statements" in said.out
        assert provider.asked == []
        said = tiny_runs.haiga(home, "run", "recipe.toml", *words)
        assert said.code == 0, said.err
        asked = len(provider.asked)
        assert tiny_runs.haiga(home, "run", "recipe.toml", *words).code == 0
        assert len(provider.asked) == asked
    bills = events.read(home / "runs/own/ledger.jsonl")
    assert len(bills) == asked
    assert {bill["stage"] for bill in bills} == {"claims"}
    found = evaluation(home, "claims.json")
    # Of each good text one statement in two is found beside its picture, and none beside another.
    assert found["controls"]["own_picture"]["mean"] == 0.5
    assert found["controls"]["another_picture"]["mean"] == 0
    rows = events.read(home / "runs/own/evaluation/claims.jsonl")
    assert {len(row["checks"]) for row in rows} == {2}
    assert evaluation(home, "summary.json")["again"]["full"]["claims_shown"]["n"] == 5
    assert "are shown by the picture, as claude-haiku-5-5 sees it" in page(home)
    assert "an AUC of 1.00" in page(home)


def test_a_teacher_that_cannot_be_believed_is_in_no_table(home):
    with served(script=knowing(home)) as provider:
        words = asking("claims", provider.url)
        said = tiny_runs.haiga(home, "run", "recipe.toml", *words)
    assert said.code == 2
    assert "[evaluate.claims] had 5 good texts to be tried on, and 8 are needed" in said.err
    assert "claims_shown" not in evaluation(home, "summary.json")["again"]["full"]
    assert "It is in no table" in page(home)


def test_a_judge_and_statements_are_asked_in_batches_at_half_the_price(home, monkeypatch):
    for room in (statements, controls):
        monkeypatch.setattr(room, "FEWEST", 4)
    monkeypatch.setattr(fetch, "FIRST", 0.01)
    with open_desk(knowing(home)) as desk:
        words = asking("judge", desk.url, batch=20, repeats=1, controls=8)
        words += asking("claims", desk.url, batch=20, controls=8)
        said = tiny_runs.haiga(home, "evaluate", "recipe.toml", *words)
        assert said.code == 0, said.err
        sizes = [len(batch.asked) for batch in desk.batches.values()]
        again = tiny_runs.haiga(home, "evaluate", "recipe.toml", *words)
        assert (again.code, len(desk.batches)) == (0, len(sizes))
    judge, claims = evaluation(home, "judge.json"), evaluation(home, "claims.json")
    bills = events.read(home / "runs/own/ledger.jsonl")
    own = [bill for bill in bills if bill["stage"] == "judge"]
    assert len(own) == judge["asked"]
    assert len(bills) == sum(sizes)
    assert all(bill["batch"] for bill in bills)
    assert sum(bill["dollars"] for bill in own) == pytest.approx(len(own) * 1.3e-4 / 2)
    assert (judge["failed"], claims["failed"]) == (0, 0)
    assert evaluation(home, "summary.json")["again"]["full"].keys() >= {
        "judged_grounding", "claims_shown",
    }  # fmt: skip
