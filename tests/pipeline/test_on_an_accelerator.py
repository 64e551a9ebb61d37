"""Whole runs on an accelerator that is not there: every tensor is where its model is."""

import pytest
from accelerate import PartialState
from PIL import Image

import tiny_runs
from elsewhere import DEVICE, elsewhere
from haiga import events
from haiga.evaluation import answerers
from haiga.models import device
from haiga.serving import answer


@pytest.fixture
def asked(monkeypatch):
    """Where the models were that answered, while torch offers the accelerator."""
    device.ranks()
    monkeypatch.setitem(PartialState._shared_state, "device", DEVICE)
    places = []
    for room, name in ((answerers, "respond"), (answerers, "generate_text"), (answer, "generate")):
        plain = getattr(room, name)

        def spy(model, *given, plain=plain, **options):
            places.append(getattr(model, "model", model).device)
            return plain(model, *given, **options)

        monkeypatch.setattr(room, name, spy)
    with elsewhere():
        yield places


def trained_on(home, name) -> set[str]:
    logs = (home / f"runs/{name}/stages").glob("*/events.jsonl")
    return {e["device"] for log in logs for e in events.read(log) if e["kind"] == "started"}


def test_a_run_is_there_and_answers_as_on_the_cpu(asked, finished, tmp_path):
    home = tiny_runs.prepare(tmp_path)
    few = 'evaluate.conditions=["full", "random_projector"]'
    said = tiny_runs.haiga(home, "run", "recipe.toml", "--set", few)
    assert said.code == 0, said.err
    assert trained_on(home, "tiny") == {str(DEVICE)}
    # Two stages under two conditions, and then to pictures that nobody trained on.
    assert (len(asked), set(asked)) == (6, {DEVICE})
    answers = home / "runs/tiny/evaluation/answers"
    for path in answers.glob("*/*.jsonl"):
        same = finished / "runs/tiny/evaluation/answers" / path.relative_to(answers)
        assert [row["answer"] for row in events.read(path)] == [
            row["answer"] for row in events.read(same)
        ]
    Image.linear_gradient("L").save(home / "picture.png")
    written = tiny_runs.haiga(home, "write", "runs/tiny", "picture.png")
    assert (written.code, asked[6:]) == (0, [DEVICE]), written.err


def test_a_tower_and_a_language_model_are_there(asked, tmp_path):
    home = tiny_runs.prepare(tmp_path, tiny_runs.FRESH)
    said = tiny_runs.haiga(home, "run", "recipe.toml")
    assert said.code == 0, said.err
    assert trained_on(home, "fresh") == {str(DEVICE)}
    assert (len(asked), set(asked)) == (2, {DEVICE})
    assert (home / "runs/fresh/evaluation/retrieval.json").exists()
