"""The page for people, over HTTP."""

import json
import threading
from contextlib import suppress
from http.client import HTTPConnection

import pytest

from haiga.errors import StoreError
from haiga.evaluation.rating import labels
from haiga.evaluation.rating.hearing import Hearing, Settings
from haiga.evaluation.rating.labels import Sheet
from haiga.evaluation.rating.rubric import Bench
from haiga.serving.labelling import serve
from judges import items, pictures, poem

COUNT = 4


@pytest.fixture
def sheet(tmp_path):
    cells = {"sft": {"full": [poem(n, 1) for n in range(COUNT)]}}
    bench = Bench({}, pictures(COUNT))
    hearing = Hearing(bench, items(COUNT), cells, {}, Settings(), seed=0)
    return Sheet(labels.draw(hearing.duels, None, 0), tmp_path / "me.jsonl", "me")


@pytest.fixture
def served(sheet):
    """The sheet on a server, and a way to ask it; ends when all is labelled."""
    found = {}
    ready = threading.Event()

    def at(address):
        found["port"] = int(address.rstrip("/").rpartition(":")[2])
        ready.set()

    thread = threading.Thread(target=serve, args=(sheet, pictures(COUNT)), kwargs={"ready": at})
    thread.start()
    assert ready.wait(5)

    def ask(path, body=None, **headers):
        connection = HTTPConnection("127.0.0.1", found["port"], timeout=5)
        data = None if body is None else json.dumps(body)
        kind = {} if body is None else {"content-type": "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET" if body is None else "POST", path, data, {**kind, **named})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, json.loads(text) if text.startswith("{") else text

    yield ask
    if sheet.labelled < COUNT:
        for place in range(COUNT):
            sheet.save(place, "equal", 0)
        with suppress(ConnectionError):  # the answer before may have found that all is labelled
            ask("/label", {"at": 0, "side": "equal", "seconds": 1})
    thread.join(5)
    assert not thread.is_alive()


def test_a_person_labels_all_of_it(served, sheet):
    status, page = served("/")
    assert status == 200
    assert "Which is better?" in page
    assert "http" not in page  # nothing is fetched
    _, pair = served("/pair")
    assert (pair["at"], pair["labelled"], pair["of"], pair["done"]) == (0, 0, COUNT, False)
    assert pair["picture"].startswith("data:image/jpeg;base64,")
    assert (pair["left"], pair["right"]) == sheet.pairs[0].texts
    for place in range(COUNT):
        _, pair = served("/label", {"at": place, "side": "left", "seconds": 1.5})
        assert pair["labelled"] == place + 1
    assert pair["done"]
    assert sheet.labelled == COUNT


def test_nothing_tells_whose_a_text_is(served):
    _, pair = served("/pair")
    said = json.dumps(pair)
    assert "sft" not in said
    assert "reference" not in said
    told = {"labelled", "of", "done", "at", "picture", "asked", "language", "left", "right"}
    assert set(pair) == told


def test_back_and_again(served, sheet):
    served("/label", {"at": 0, "side": "left", "seconds": 1})
    _, pair = served("/pair?at=0")
    assert (pair["at"], pair["labelled"]) == (0, 1)
    served("/label", {"at": 0, "side": "right", "seconds": 1})
    assert sheet.labelled == 1


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/label", {"at": 0, "side": "up"}, {}, 400),
        ("/label", {"at": 99, "side": "left"}, {}, 400),
        ("/label", {"at": True, "side": "left"}, {}, 400),
        ("/label", [], {}, 400),
        ("/label", {"at": 0, "side": "left", "seconds": "x"}, {}, 400),
        ("/label", {"at": 0, "side": "left" + " " * 5000}, {}, 400),
        ("/label", {"at": 0, "side": "left"}, {"origin": "http://elsewhere.example"}, 403),
        ("/label", {"at": 0, "side": "left"}, {"content_type": "text/plain"}, 403),
        ("/pair", None, {"host": "rebound.example"}, 403),
        ("/pair?at=x", None, {}, 400),
        ("/etc/passwd", None, {}, 404),
    ],
)
def test_what_is_no_answer_is_not_kept(served, sheet, path, body, headers, status):
    assert served(path, body, **headers)[0] == status
    assert sheet.labelled == 0


def test_a_taken_port_is_a_sentence(sheet):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StoreError, match="cannot be listened on"):
            serve(sheet, pictures(COUNT), port=taken.getsockname()[1])
