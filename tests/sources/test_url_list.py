"""Lists of addresses against a server that behaves as servers do."""

import hashlib
import json
import threading
from importlib import import_module
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from haiga.sources.download import FetchFault, Pace, fetch, in_order, open_client
from haiga.sources.url_list import url_list
from loopback import send, serving
from made import curated, picture

room = import_module("haiga.sources.download")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(room, "BACKOFF", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as served:
        yield served


CLIENT = open_client()  # one for all: its certificates take a while to load


def _fetch(url, **options):
    return fetch(CLIENT, Pace(0), url, **options)


def _fault(url, **options):
    with pytest.raises(FetchFault) as caught:
        _fetch(url, **options)
    return caught.value


def _cut(handler, n):
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(picture(1)[:100])
    handler.close_connection = True


def test_what_servers_do_has_a_reason(server, monkeypatch):
    server.routes = {
        "/page.jpg": lambda h, n: send(h, b"<!doctype html>", kind="text/html"),
        "/empty.jpg": lambda h, n: send(h, b""),
        "/gone.jpg": lambda h, n: send(h, b"", 410),
        "/forbidden.jpg": lambda h, n: send(h, b"no", 403),
        "/cut.jpg": _cut,
        "/loop.jpg": lambda h, n: send(h, b"", 302, Location="/loop.jpg"),
        "/noai.jpg": lambda h, n: send(h, picture(1), X_Robots_Tag="otherbot: noindex, nofollow"),
        "/broken.jpg": lambda h, n: send(h, b"", 503),
    }
    reasons = {path: _fault(server.url + path).reason for path in server.routes}
    assert reasons == {
        "/page.jpg": "not a picture",
        "/empty.jpg": "empty file",
        "/gone.jpg": "HTTP 410",
        "/forbidden.jpg": "HTTP 403",
        "/cut.jpg": "cut off",
        "/loop.jpg": "too many redirects",
        "/noai.jpg": "its server asks not to use it (X-Robots-Tag)",
        "/broken.jpg": "HTTP 503",
    }
    tries = {path: server.count(path) for path in reasons}
    assert (tries["/cut.jpg"], tries["/broken.jpg"]) == (3, 3)
    assert {tries[path] for path in ("/page.jpg", "/gone.jpg", "/forbidden.jpg", "/noai.jpg")} == {
        1
    }
    assert "text/html: b'<!doctype html>'" in _fault(server.url + "/page.jpg").detail
    assert _fault("http://127.0.0.1:1/x.jpg").reason == "no connection"
    for url in ("ftp://e.org/x.jpg", "file:///etc/passwd", "x.jpg", "http://[::1/x", "http://"):
        assert _fault(url).reason == "not a web address", url
    (agent,) = server.agents
    assert agent.startswith("haiga/")


def test_size_is_limited_by_word_and_by_deed(server, monkeypatch):
    def unsaid(handler, n):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"\xff\xd8\xff" + bytes(5000))
        handler.close_connection = True

    monkeypatch.setattr(room.read, "__kwdefaults__", {"limit": 1000})
    server.routes = {"/said.jpg": lambda h, n: send(h, bytes(2000)), "/unsaid.jpg": unsaid}
    assert _fault(server.url + "/said.jpg").reason == "over 64 MB"
    assert _fault(server.url + "/unsaid.jpg").reason == "over 64 MB"


def test_a_drip_is_given_up(server, monkeypatch):
    def drip(handler, n):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        for _ in range(100):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return
            pause.wait(0.02)

    pause = threading.Event()
    monkeypatch.setattr(room, "SECONDS", 0.1)
    server.routes = {"/drip.jpg": drip}
    assert _fault(server.url + "/drip.jpg").reason == "too slow"
    pause.set()


def test_busy_servers_are_asked_again_when_they_say(server):
    def busy(handler, n):
        if n == 1:
            send(handler, b"", 429, Retry_After="1")
        else:
            send(handler, picture(1, "JPEG"))

    server.routes = {
        "/busy.jpg": busy,
        "/never.jpg": lambda h, n: send(h, b"", 429, Retry_After="9999"),
    }
    assert _fetch(server.url + "/busy.jpg") == (picture(1, "JPEG"), ".jpg")
    (_, first), (_, second) = server.asked
    assert second - first >= 1
    assert _fault(server.url + "/never.jpg").reason == "HTTP 429"
    assert server.count("/never.jpg") == 1


def test_checksums_are_held_against_what_comes(server):
    data = picture(1)
    server.routes = {"/1.png": lambda h, n: send(h, data)}
    for kind in ("sha256", "md5"):
        sum_ = hashlib.new(kind, data).hexdigest()
        assert _fetch(server.url + "/1.png", checksum=sum_.upper())[0] == data
    assert _fault(server.url + "/1.png", checksum="0" * 64).reason == "its checksum differs"


def test_one_host_is_asked_in_its_own_time(monkeypatch):
    slept = []
    clock = SimpleNamespace(monotonic=lambda: 5.0, sleep=slept.append)
    monkeypatch.setattr(room, "time", clock)
    pace = Pace(0.5)
    for host in ("a", "a", "b", "a"):
        pace.wait(host)
    pace.hold("b", 60)
    pace.wait("b")
    assert slept == [0.0, 0.5, 0.0, 1.0, 60.0]


def test_order_is_kept_and_little_is_fetched_ahead():
    begun = []

    def work(n):
        begun.append(n)
        return n * n

    results = in_order(range(1000), work, 2)
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    results.close()
    assert len(begun) <= 3 + 4 * 2


@pytest.fixture
def listing(server, tmp_path):
    """LAION's columns, and what can be odd in them."""
    server.routes = {
        f"/{n}.jpg": lambda h, times, n=n: send(h, picture(n, "JPEG")) for n in range(4)
    }
    rows = [
        {"URL": f"{server.url}/{n}.jpg", "TEXT": f"Print {n}.", "similarity": 0.3} for n in range(5)
    ]
    rows += [{"URL": None, "TEXT": "x"}, {"URL": f" {server.url}/3.jpg ", "TEXT": None}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "laion.parquet")
    return tmp_path / "laion.parquet"


def _found(path, skip=0, **options):
    return list(url_list(0, "en", skip, data=str(path), per_host=0.0, **options))


def test_a_list_is_fetched_and_its_failures_are_named(listing, server):
    found = _found(listing, meta={"licence": "unknown"})
    assert [each.id for each in found] == [f"laion.parquet:{n}" for n in range(1, 8)]
    assert [each.fault for each in found[4:]] == ["HTTP 404", "no address under 'URL'", ""]
    assert found[4].meta["url"] == f"{server.url}/4.jpg"
    assert found[0].caption == "Print 0."
    assert found[0].meta == {
        "licence": "unknown",
        "similarity": 0.3,
        "url": f"{server.url}/0.jpg",
        "sha256": hashlib.sha256(picture(0, "JPEG")).hexdigest(),
    }
    assert found[6].pictures == ((picture(3, "JPEG"), ".jpg"),)


def test_going_on_fetches_only_what_is_left(listing, server):
    whole = _found(listing)
    server.asked.clear()
    for skip in (0, 3, 7):
        assert _found(listing, skip) == whole[skip:]
    assert server.count("/0.jpg") == 2


def test_what_is_kept_is_not_fetched_again(listing, server, tmp_path):
    whole = _found(listing, cache=str(tmp_path / "cache"))
    server.asked.clear()
    assert _found(listing, cache=str(tmp_path / "cache")) == whole
    assert [path for path, _ in server.asked] == ["/4.jpg"]


def test_datacomp_and_columns_of_ones_own(server, tmp_path):
    data = picture(1, "JPEG")
    server.routes = {"/1.jpg": lambda h, n: send(h, data), "/2.jpg": lambda h, n: send(h, data)}
    row = {
        "uid": "f" * 32,
        "url": f"{server.url}/1.jpg",
        "text": "A boat.",
        "original_width": 96,
        "original_height": 96,
        "clip_l14_similarity_score": 0.31,
        "face_bboxes": [[0.0, 0.1, 0.2, 0.3]],
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    rows = [row, {**row, "url": f"{server.url}/2.jpg", "sha256": "0" * 64}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "datacomp.parquet")
    one, two = _found(tmp_path / "datacomp.parquet")
    assert (one.caption, one.meta["uid"], one.fault) == ("A boat.", "f" * 32, "")
    assert two.fault == "its checksum differs"
    mine = {"bild": f"{server.url}/1.jpg", "wort": "Boot", "url": "not this"}
    (tmp_path / "mine.jsonl").write_text(json.dumps(mine))
    (each,) = _found(tmp_path / "mine.jsonl", columns={"url": "bild", "caption": "wort"})
    assert (each.caption, each.meta["url"]) == ("Boot", mine["bild"])


def test_it_becomes_groups(listing, server, tmp_path):
    groups, pictures, dropped = curated(
        tmp_path / "data", lambda skip: url_list(0, "en", skip, data=str(listing), per_host=0.0)
    )
    assert [group.answers[0].text for group in groups] == [f"Print {n}." for n in range(4)]
    assert pictures[groups[2].pictures[0].id] == picture(2, "JPEG")
    assert [row["reason"] for row in dropped] == ["HTTP 404", "no address under 'URL'"]
