"""Voices in a folder beside the command."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from haiga.curation.asking import requests
from haiga.curation.captions import RULES, fault
from haiga.errors import RecipeError
from haiga.pipeline.check import check
from haiga.recipe.bind import bind
from haiga.recipe.load import load
from haiga.teachers.tasks import draw_instruction, instructions
from haiga.teachers.voices import form, voice
from haiga.world.poets import POETS
from haiga.world.scenes import scene

LETTER = Path(__file__).parents[2] / "voices" / "letter.en.txt"
TASKS = Path(__file__).parents[2] / "src" / "haiga" / "teachers"


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "voices").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "voices"


def test_the_template_is_asked_for_and_written_as_it_says(mine):
    (mine / "letter.en.txt").write_text(LETTER.read_text())
    first, second = instructions("letter", "en")
    assert first == "Write a letter home about this print."
    assert draw_instruction("letter", "en", lambda count: count - 1) == second
    row = {"meta": "{}", "pictures": [], "language": "en", "id": "r"}
    (asked,) = requests(row, {}, {"letter": 1})
    assert (asked.prompt, asked.system) == (first, voice("letter", "en"))
    assert asked.system.startswith("You are on a journey")
    # What is written anew is read anew.
    (mine / "letter.en.txt").write_text("Another.\n\nOtherwise.")
    assert (instructions("letter", "en"), voice("letter", "en")) == (("Another.",), "Otherwise.")


@pytest.mark.parametrize("text", ["", "Only what is asked.", "\n\nOnly how.", "Asked.\n\n  "])
def test_a_file_of_another_form_is_refused(mine, text):
    (mine / "letter.en.txt").write_text(text)
    with pytest.raises(RecipeError, match=r"voices/letter\.en\.txt: begin with what is asked"):
        instructions("letter", "en")


def test_a_name_that_haiga_has_is_refused(mine):
    (mine / "haiku.en.txt").write_text("Mine.\n\nMy way.")
    with pytest.raises(RecipeError, match="haiga has a task 'haiku' of its own"):
        instructions("haiku", "en")


def test_what_there_is_is_named_and_where_it_is_looked_for(mine):
    (mine / "letter.en.txt").write_text("Asked.\n\nHow.")
    with pytest.raises(RecipeError, match=r"letter\.en\. A file of your own .* voices/leter\.en"):
        instructions("leter", "en")


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_voice_has_its_form_and_the_worlds_own_poets_keep_theirs(language):
    names = {path.name.split(".")[0] for path in (TASKS / "voices").glob("*.txt")}
    assert all(form(name, language) for name in names)
    for name in ("haiku", "bare", "noir", "describe", "title"):  # their labels are shorter
        rules = [bind(RULES, rule, name) for rule in form(name, language)]
        texts = [POETS[name](scene(1, n), language, np.random.default_rng(n)) for n in range(8)]
        assert [fault(text, language, rules) for text in texts] == [None] * 8, name


def test_a_voice_without_rules_has_its_form_shown():
    smoke = Path(__file__).parents[2] / "recipes" / "smoke.toml"
    asked = 'teach={ teacher = { name = "poet" }, tasks = ["haiku", "noir"] }'
    notes = [note for note in check(load(smoke, [asked])) if note.startswith("curate.texts")]
    (shown,) = notes
    rules = tomllib.loads(shown.partition("the form of the voice is ")[2])
    assert rules == {"noir": form("noir", "en")}


def test_every_voice_is_there_in_both_languages_with_what_is_asked():
    files = {path.name for path in (TASKS / "voices").glob("*.txt")}
    assert {"haiku", "noir", "museum", "alt"} <= {name.split(".")[0] for name in files}
    for name in files:
        task, language, _ = name.split(".")
        assert len(instructions(task, language)) > 1
        assert f"{task}.{'ja' if language == 'en' else 'en'}.txt" in files
