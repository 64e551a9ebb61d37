from pathlib import Path

import pytest

from haiga.errors import RecipeError, TeacherError
from haiga.teachers import TEACHERS, Request, tasks
from haiga.teachers.tasks import draw_instruction, instructions
from haiga.text.haiku import form
from haiga.world.poets import LANGUAGES, POETS
from haiga.world.scenes import scene

POET = TEACHERS["poet"]()


def _request(task="haiku", language="en", seed=0, index=0, meta=None):
    meta = {"scene": scene(1, index).to_dict()} if meta is None else meta
    return Request(task, "Write.", language, seed=seed, meta=meta)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", sorted(POETS))
def test_every_task_in_every_language(task, language):
    response = POET.ask(_request(task, language))
    assert response.text.strip()
    assert (response.model, response.dollars) == ("poet", 0.0)
    assert POET.ask(_request(task, language)) == response


@pytest.mark.parametrize("language", LANGUAGES)
def test_its_haiku_are_haiku(language):
    for index in range(10):
        text = POET.ask(_request(language=language, index=index)).text
        assert form(text, language).verdict == "pass", text


def test_seeds_and_scenes_tell_answers_apart():
    assert len({POET.ask(_request(seed=seed)).text for seed in range(20)}) >= 18
    assert len({POET.ask(_request(index=index)).text for index in range(20)}) >= 18


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (_request(task="limerick"), r"does not write 'limerick'; it writes: .*haiku"),
        (_request(language="fr"), r"does not write in 'fr'; it writes in: en, ja\."),
        (_request(meta={"title": "The Great Wave"}), r"only about the floating world's own prints"),
    ],
)
def test_it_refuses_in_sentences(request_, words):
    with pytest.raises(TeacherError, match=words):
        POET.ask(request_)


def test_every_task_is_written_in_both_languages():
    for task in {path.name.split(".")[0] for path in Path(tasks.__file__).parent.glob("*.txt")}:
        for language in LANGUAGES:
            lines = instructions(task, language)
            assert len(set(lines)) == len(lines) >= (1 if task.startswith("tag_") else 2)
            assert draw_instruction(task, language, lambda n: n - 1) == lines[-1]


def test_an_unknown_task_names_those_that_there_are():
    with pytest.raises(RecipeError, match=r"task 'ode' in 'en'.*haiku\.en, haiku\.ja"):
        instructions("ode", "en")
