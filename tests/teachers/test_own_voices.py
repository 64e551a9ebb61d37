"""Voices in a folder beside the command."""

from pathlib import Path

import pytest

from haiga.curation.asking import requests
from haiga.errors import RecipeError
from haiga.teachers.tasks import draw_instruction, instructions
from haiga.teachers.voices import voice

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


def test_every_voice_is_there_in_both_languages_with_what_is_asked():
    files = {path.name for path in (TASKS / "voices").glob("*.txt")}
    assert {"haiku", "noir", "museum", "alt"} <= {name.split(".")[0] for name in files}
    for name in files:
        task, language, _ = name.split(".")
        assert len(instructions(task, language)) > 1
        assert f"{task}.{'ja' if language == 'en' else 'en'}.txt" in files
