"""The page on which somebody gives a picture, over HTTP, with a real model behind it."""

import json
import os
import re
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

import tiny_runs
from haiga.errors import RecipeError
from haiga.models.adapters import save_base
from haiga.models.assemble import assemble
from haiga.serving import demo, opened
from haiga.serving.answer import answer
from haiga.serving.loopback import listening

ORIENTATION = 0x0112
CARD = "---\nlanguage: ja\n---\n\n# sea\n\nNothing shows that sft uses its pictures.\n\n## More\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """An exported checkpoint of two tasks, and a run in Japanese with a card."""
    home = tiny_runs.prepare(tmp_path_factory.mktemp("home"))
    save_base(assemble(home / "tower", home / "language"), home / "export")
    opened.mark(home / "export", "haiku", "en", max_new_tokens=8, tasks=["haiku", "describe"])
    stage = home / "runs/sea/stages/sft"
    shutil.copytree(home / "export", stage / "model", ignore=shutil.ignore_patterns("haiga.json"))
    opened.mark(stage, "haiku", "ja", control=False)
    (stage / "manifest.json").touch()
    (home / "runs/sea/recipe.toml").write_text(
        'name = "sea"\n[stage.sft]\ntasks = ["haiku", "sonnet"]\n[evaluate]\nmax_new_tokens = 9\n'
    )
    (home / "runs/sea/cards").mkdir()
    (home / "runs/sea/cards/sft.md").write_text(CARD)
    picture, exif = Image.linear_gradient("L").resize((90, 48)).convert("RGB"), Image.Exif()
    exif[ORIENTATION] = 6  # to be shown turned by 90 degrees to the right
    picture.save(home / "turned.jpg", exif=exif)
    return home


@pytest.fixture(scope="module")
def desk(home):
    return demo.open_desk([home / "export", home / "runs/sea"])


@pytest.fixture(scope="module")
def port(desk):
    with listening(demo.handler(desk)) as address:
        yield int(address.rstrip("/").rpartition(":")[2])


@pytest.fixture(scope="module")
def ask(port):
    def ask(path, body=None, **headers):
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET" if body is None else "POST", path, body, headers)
        got = connection.getresponse()
        found = got.read()
        connection.close()
        if got.headers.get_content_type() == "application/json":
            return got.status, json.loads(found)
        return (
            got.status,
            found if got.headers.get_content_maintype() == "image" else found.decode(),
        )

    return ask


def test_the_page_needs_nothing_from_elsewhere(ask, port):
    status, page = ask("/")
    assert status == 200
    assert "Drop a picture here" in page
    assert "//" not in page.replace("  // ", "")  # no address
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/")
    policy = connection.getresponse().headers["content-security-policy"]
    connection.close()
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy


def test_the_page_is_told_what_each_model_is_and_writes(ask, home):
    status, told = ask("/choices")
    export, sea = str(home / "export"), str(home / "runs/sea")
    assert status == 200
    # Nobody has written words for the task "sonnet".
    assert told["choices"] == [
        {"model": export, "task": "haiku", "language": "en"},
        {"model": export, "task": "describe", "language": "en"},
        {"model": sea, "task": "haiku", "language": "ja"},
    ]
    assert told["models"] == {
        export: {"name": "export", "stage": "", "shown": "", "control": False},
        sea: {
            "name": "sea",
            "stage": "sft",
            "shown": "Nothing shows that sft uses its pictures.",
            "control": False,
        },
    }


@pytest.mark.parametrize(
    ("query", "place", "task"),
    [
        ("", "export", "haiku"),
        ("?task=describe", "export", "describe"),
        ("?language=ja&draw=0", "runs/sea", "haiku"),
    ],
)
def test_it_answers_as_haiga_write_does(ask, home, query, place, task):
    status, said = ask(f"/answer{query}", (home / "turned.jpg").read_bytes())
    [(_, text, _)] = answer(home / place, [home / "turned.jpg"], task=task)
    assert (status, said) == (200, {"text": text})
    assert text


def test_another_is_drawn_and_can_be_drawn_again(ask, home):
    data = (home / "turned.jpg").read_bytes()
    said = [ask(f"/answer?task=haiku&draw={draw}", data)[1]["text"] for draw in (0, 1, 2, 1)]
    assert len(set(said)) == 3
    assert said[1] == said[3]


def test_what_a_browser_cannot_show_it_is_given_upright(ask, home):
    status, data = ask("/picture", (home / "turned.jpg").read_bytes())
    assert status == 200
    with Image.open(BytesIO(data)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (48, 90))


@pytest.mark.parametrize("path", ["/answer", "/picture"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is empty"),
        (b"not a picture", "is not a picture that can be read"),
        (b"\xff\xd8\xff\xe0 cut", "is damaged"),
        (b"P4 20000 20000\n", "is too large"),
    ],
)
def test_what_is_no_picture_gets_one_sentence(ask, path, body, words):
    status, said = ask(path, body)
    assert status == 400
    assert words in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("task=sonnet", "Nothing here answers to task=sonnet. There are: model="),
        ("task=describe&language=ja", "Nothing here answers to task=describe, language=ja"),
        ("model=elsewhere", "Nothing here answers to model=elsewhere"),
        ("tsak=haiku", "Nothing here answers to tsak=haiku"),
        ("task=", "Nothing here answers to task="),
        ("draw=-1", "draw=-1: give a whole number below"),
        ("draw=2147483648", "give a whole number below 2,147,483,648"),
    ],
)
def test_what_nobody_offers_is_refused(ask, home, query, words):
    status, said = ask(f"/answer?{query}", (home / "turned.jpg").read_bytes())
    assert status == 400
    assert words in said


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "rebound.example"},
        {"origin": "http://elsewhere.example"},
        {"origin": "null"},
    ],
)
def test_other_sites_are_refused(ask, home, headers):
    for path, body in (("/", None), ("/answer", (home / "turned.jpg").read_bytes())):
        status, said = ask(path, body, **headers)
        assert status == 403
        assert said == "Only this machine and its own page are answered."


def test_its_own_page_and_another_name_of_this_machine_are_answered(ask, home, port):
    own = {"host": f"localhost:{port}", "origin": f"http://localhost:{port}"}
    assert ask("/answer", (home / "turned.jpg").read_bytes(), **own)[0] == 200


def test_what_is_too_large_is_refused_and_what_is_not_there_is_not(ask, monkeypatch):
    monkeypatch.setattr(demo, "LARGEST", 2**20)
    status, said = ask("/answer", bytes(2**23))
    assert status == 413
    assert said == "The picture is too large: at most 1 MiB are taken."
    assert ask("/answer", bytes(2**20))[0] == 400
    assert ask("/etc/passwd")[0] == 404
    assert ask("/label", b"x")[0] == 404


def test_one_answer_is_written_at_a_time(ask, home, monkeypatch):
    writing, most = [], []

    def slow(*_, **__):
        writing.append(1)
        most.append(len(writing))
        time.sleep(0.02)
        writing.pop()
        return ["written"]

    monkeypatch.setattr(demo, "generate", slow)
    data = (home / "turned.jpg").read_bytes()
    with ThreadPoolExecutor(4) as many:
        said = list(many.map(lambda _: ask("/answer", data), range(8)))
    assert said == [(200, {"text": "written"})] * 8
    assert most == [1] * 8


def test_a_model_that_nobody_can_ask_is_a_sentence(home, tmp_path):
    shutil.copytree(home / "export", tmp_path / "export")
    opened.mark(tmp_path / "export", "sonnet", "en")
    with pytest.raises(RecipeError, match="No instruction is written for the task 'sonnet'"):
        demo.open_desk([tmp_path / "export"])


@pytest.fixture
def interruptible():
    """Ctrl-C is heard, which a shell's background jobs ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_command_ends_quietly(home, monkeypatch, interruptible):
    """From its start to Ctrl-C, asked once in between."""
    found = {}

    def person(*said: str) -> None:
        found["said"] = " ".join(said)
        found["port"] = int(re.search(r":(\d+)/", found["said"])[1])
        threading.Thread(target=visit).start()

    def visit() -> None:
        connection = HTTPConnection("127.0.0.1", found["port"], timeout=20)
        connection.request("POST", "/answer", (home / "turned.jpg").read_bytes())
        found["answer"] = json.loads(connection.getresponse().read())
        connection.close()
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("haiga.cli.models.say", person)
    done = tiny_runs.haiga(home, "app", "export")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert "in a browser on this machine; Ctrl-C ends it." in found["said"]
    assert "haiku (en), describe (en)" in found["said"]
    assert found["answer"]["text"]


def test_faults_of_the_command_are_sentences(home):
    said = tiny_runs.haiga(home, "app", "nowhere")
    assert said.code == 2
    assert "nowhere holds no trained model" in said.err
