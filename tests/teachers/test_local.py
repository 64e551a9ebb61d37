"""A model on this machine as a teacher: a stage of haiga's, and any checkpoint."""

import io
from importlib import import_module

import pytest
from PIL import Image

import tiny
from haiga.errors import ModelError, TeacherError
from haiga.models import adapters
from haiga.models.assemble import assemble
from haiga.models.generate import generate
from haiga.models.pictures import open_picture
from haiga.records import IMAGE, user
from haiga.teachers import TEACHERS, Request

MOST = 6


def _picture(colour: str) -> bytes:
    buffer = io.BytesIO()
    image = Image.linear_gradient("L").resize((40, 60)).convert("RGB")
    image.paste(colour, (0, 0, 20, 30))
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _question(**fields) -> Request:
    own = {"pictures": (_picture("red"),), **fields}
    return Request("haiku", "Write a haiku about this print.", "en", **own)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    tower = tiny.tiny_tower(home / "tower")
    language = tiny.tiny_language_model(home / "language")
    vlm = assemble(tower, language)
    adapters.save_base(vlm, home / "base")
    adapters.save(adapters.attach(vlm, r=2), home / "stages" / "sft" / "model", home / "base")
    return home


@pytest.mark.parametrize("place", ["base", "stages/sft"])
def test_it_writes_what_the_model_writes(home, place):
    teacher = TEACHERS["local"](model=str(home / place), max_tokens=MOST)
    vlm = adapters.load_stage(home / "base")
    prompt = (user(IMAGE, "\nWrite a haiku about this print."),)
    shown = [[open_picture(_picture("red"))]]
    (text,) = generate(vlm, [prompt], shown, max_new_tokens=MOST)
    response = teacher.ask(_question())
    assert response.dollars == 0.0
    if place == "stages/sft":  # a new adapter changes nothing
        assert response.text == text
    assert teacher.ask(_question()) == response
    assert response.stop in ("end", "length")


@pytest.mark.parametrize("place", ["base", "stages/sft"])
def test_seeds_tell_answers_apart(home, place):
    teacher = TEACHERS["local"](model=str(home / place), max_tokens=MOST, temperature=1.0)
    texts = [teacher.ask(_question(seed=seed)).text for seed in (0, 0, 1, 2, 3)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_a_model_is_read_once_and_not_before_it_is_asked(home, monkeypatch):
    read = []
    local = import_module("haiga.teachers.local")
    monkeypatch.setattr(local, "_opened", lambda *a: read.append(a) or (lambda r: ("text", True)))
    teacher = TEACHERS["local"](model="somebody/a-model", max_tokens=3)
    assert read == []
    assert [teacher.ask(_question()).stop for _ in range(2)] == ["length"] * 2
    assert read == [("somebody/a-model", 3, 0.0)]


def test_a_schema_is_told_in_words(monkeypatch):
    told = []
    local = import_module("haiga.teachers.local")
    monkeypatch.setattr(local, "_opened", lambda *a: lambda r: told.append(r) or ("{}", False))
    TEACHERS["local"](model="m").ask(_question(schema={"type": "object"}))
    assert told[0].prompt.endswith('of this schema and with nothing else:\n{"type": "object"}')
    assert told[0].schema is None


def test_what_it_cannot_do_is_a_sentence(home):
    teacher = TEACHERS["local"](model=str(home / "stages/sft"), max_tokens=MOST)
    with pytest.raises(TeacherError, match="cannot be shown"):
        teacher.ask(_question(pictures=(b"no picture",)))
    with pytest.raises(ModelError, match="cannot be read as a vision-language model"):
        TEACHERS["local"](model=str(home / "language")).ask(_question())
