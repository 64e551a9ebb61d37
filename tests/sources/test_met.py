"""The museum's table and a server that behaves as the museum's does."""

import time
from importlib import import_module
from pathlib import Path

import pytest

from haiga.curation import run
from haiga.errors import DataError, RecipeError
from haiga.pipeline.data import gather
from haiga.pipeline.run import Run
from haiga.recipe.load import load
from haiga.sources.met import clause_counts, met
from haiga.store import Folder
from loopback import send, serving
from made import picture
from museum import COLUMNS, PRINT, Museum, block, send_json, table_of, told

room = import_module("haiga.sources.met")


@pytest.fixture
def museum(monkeypatch):
    monkeypatch.setattr(room, "BLOCKED", 0.01)
    monkeypatch.setattr(import_module("haiga.sources.download"), "BACKOFF", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as served:
        monkeypatch.setattr(room, "API", f"{served.url}/v1/objects")
        yield Museum(served, 8)


@pytest.fixture
def table(tmp_path):
    """Eight prints among what is none."""
    rows = [{**PRINT, "Object ID": str(n)} for n in range(8)]
    rows[1] |= {"Classification": "", "Title": 'Two lines,\nand a "quote"'}
    others = [
        {"Is Public Domain": "False"},
        {"Department": "Drawings and Prints"},
        {"Culture": "China"},
        {"Classification": "Illustrated Books", "Object Name": "Print"},
        {"Classification": "", "Object Name": "Illustrated book"},
        {"Medium": "Lithograph"},
    ]
    more = [{**PRINT, "Object ID": str(100 + n), **each} for n, each in enumerate(others)]
    return table_of(tmp_path / "MetObjects.csv", [*more, *rows])


def _found(table, tmp_path, skip=0, **options):
    options = {"seconds": 0.0, "cache": str(tmp_path / "cache"), **options}
    return list(met(0, "en", skip, data=str(table), **options))


def test_clauses_count_what_they_leave(table):
    assert [text for text, _ in clause_counts(data=str(table), seconds=1.0)] == [
        "14 objects in the museum's table",
        "13 after Is Public Domain ~ ^True$",
        "12 after Department ~ ^Asian Art$",
        "11 after Culture ~ ^Japan",
        "9 after Classification|Object Name ~ ^Prints?$",
        "8 after Medium ~ (?i)woodblock",
    ]


def test_prints_come_with_what_credit_needs(table, museum, tmp_path):
    found = _found(table, tmp_path)
    assert [each.id for each in found] == [str(n) for n in range(8)]
    one = found[3]
    assert one.pictures == ((picture(3, "JPEG"), ".jpg"),)
    assert (one.caption, one.fault) == ("", "")
    assert one.meta == {
        "title": "Under the Wave 3",
        "artist": "Hokusai & Son",
        "date": "ca. 1830–32",
        "medium": "Polychrome woodblock print",
        "culture": "Japan",
        "classification": "Prints",
        "number": "JP1847",
        "credit": "H. O. Havemeyer Collection",
        "url": "https://www.metmuseum.org/art/collection/search/3",
        "tags": ["Waves"],
        "licence": "CC0 1.0",
        "source": "The Metropolitan Museum of Art, Open Access",
        "picture": f"{museum.url}/web-large/3.jpg",
    }


def test_what_the_museum_does_not_show_is_named(table, museum, tmp_path):
    routes = museum.served.routes
    routes["/v1/objects/0"] = lambda h, t: send_json(h, {"message": "ObjectID not found"}, 404)
    routes["/v1/objects/1"] = lambda h, t: send_json(h, {"message": "Not a valid object"}, 404)
    museum.object(2, primaryImage="", primaryImageSmall="")
    museum.object(3, isPublicDomain=False)
    routes["/v1/objects/4"] = lambda h, t: send_json(
        h, {"message": "could not parse objectID"}, 400
    )
    del routes["/web-large/5.jpg"]
    found = _found(table, tmp_path)
    assert [(each.id, each.fault) for each in found if each.fault] == [
        ("0", "not in the API (404)"),
        ("1", "not in the API (404)"),
        ("2", "the museum shows no picture"),
        ("3", "not in the public domain"),
        ("4", "HTTP 400"),
        ("5", "HTTP 404"),
    ]
    assert found[1].meta["error"] == "Not a valid object"
    assert found[5].meta["title"] == "Under the Wave 5"


@pytest.mark.parametrize("status", [403, 200, 503])
def test_a_block_is_waited_for(table, museum, tmp_path, status):
    said, routes = told(museum.url, 2), museum.served.routes
    routes["/v1/objects/2"] = lambda h, t: send_json(h, said) if t > 2 else block(h, status)
    if status != 503:
        routes["/web-large/2.jpg"] = lambda h, t: (
            send(h, picture(2, "JPEG")) if t > 1 else block(h, status)
        )
    assert [each.fault for each in _found(table, tmp_path)] == [""] * 8
    assert museum.served.count("/v1/objects/2") == 3


def test_a_block_is_never_asked_again_at_once(table, museum, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "BLOCKED", 0.4)
    said = told(museum.url, 0)
    museum.served.routes["/v1/objects/0"] = lambda h, t: send_json(h, said) if t > 1 else block(h)
    _found(table, tmp_path)
    first, second = (at for path, at in museum.served.asked if path == "/v1/objects/0")
    assert second - first >= 0.39


@pytest.mark.parametrize("path", ["/v1/objects/4", "/web-large/4.jpg"])
def test_a_block_that_stays_stops_and_costs_nothing(table, museum, tmp_path, path):
    open_again = museum.served.routes[path]
    museum.served.routes[path] = lambda h, t: block(h)
    with pytest.raises(DataError, match=r"go on refusing .*What was fetched is kept"):
        _found(table, tmp_path)
    museum.served.routes[path] = open_again
    museum.served.asked.clear()
    found = _found(table, tmp_path)
    assert [each.fault for each in found] == [""] * 8
    assert not {"/v1/objects/0", "/web-large/0.jpg"} & set(museum.paths())


def test_nothing_is_asked_twice(table, museum, tmp_path):
    del museum.served.routes["/v1/objects/6"]
    museum.served.routes["/v1/objects/6"] = lambda h, t: send_json(h, {"message": "no"}, 404)
    whole = _found(table, tmp_path)
    museum.served.asked.clear()
    for skip in (0, 3, 7, 8):
        assert _found(table, tmp_path, skip) == whole[skip:]
    assert museum.paths() == []


def test_the_api_is_asked_one_by_one_in_its_time(table, museum, tmp_path):
    running, most = [], []

    def slow(handler, n, said):
        running.append(n)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()
        send_json(handler, said)

    for n in range(8):
        said = told(museum.url, n)
        museum.served.routes[f"/v1/objects/{n}"] = lambda h, t, said=said: slow(h, t, said)
    _found(table, tmp_path, seconds=0.05)
    assert max(most) == 1
    times = [at for path, at in museum.served.asked if path.startswith("/v1")]
    assert times[-1] - times[0] >= 7 * 0.05 - 0.04


def test_a_retired_address_stops_with_what_the_museum_says(table, museum, tmp_path):
    said = {"message": "gone", "replacement": "/public/collection/v9/objects"}
    museum.served.routes["/v1/objects/0"] = lambda h, t: send_json(h, said, 410)
    with pytest.raises(DataError, match=r"has retired .*v9/objects"):
        _found(table, tmp_path)


def test_tables_that_cannot_be_used_are_sentences(table, tmp_path):
    pointer = tmp_path / "pointer.csv"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 232531366\n")
    with pytest.raises(DataError, match="Git LFS pointer"):
        _found(pointer, tmp_path)
    with pytest.raises(DataError, match=r"has no column 'Medum' \(did you mean 'Medium'"):
        _found(table, tmp_path, where=(("Medum", "x"),))
    with pytest.raises(RecipeError, match="no regular expression"):
        _found(table, tmp_path, where=(("Medium", "("),))
    with pytest.raises(DataError, match=r"passes every clause.*: 14 objects.*; 0 after Medium"):
        _found(table, tmp_path, where=(("Medium", "papyrus"),))


def test_an_older_table_is_read_by_its_names(museum, tmp_path):
    columns = [
        name for name in COLUMNS if name not in ("Is Timeline Work", "Gallery Number", "Tags")
    ]
    row = {name: PRINT.get(name, "") for name in columns} | {"Object ID": "2"}
    old = table_of(tmp_path / "old.csv", [row, row], columns[::-1], mark="")
    one, two = _found(old, tmp_path)
    assert (one.id, one.fault) == ("2", "")
    assert (two.id, two.fault) == ("2 (old.csv:3)", "its Object ID comes twice")


def test_a_gathering_that_broke_off_goes_on_after_its_last_shard(
    table, museum, tmp_path, monkeypatch
):
    monkeypatch.setattr(run, "SHARD", 3)
    museum.object(2, primaryImageSmall="")
    good = museum.served.routes["/v1/objects/4"]
    museum.served.routes["/v1/objects/4"] = lambda h, t: block(h)
    raw = Folder(tmp_path / "00_raw")
    options = {"data": str(table), "seconds": 0.0, "cache": str(tmp_path / "cache")}

    def gather():
        run.gather(lambda skip: met(0, "en", skip, **options), raw, {}, lambda event: None)

    with pytest.raises(DataError, match="go on refusing"):
        gather()
    museum.served.routes["/v1/objects/4"] = good
    gather()
    assert [row["id"] for row in raw.rows()] == ["0", "1", "3", "4", "5", "6", "7"]
    assert [row["reason"] for row in raw.dropped()] == ["the museum shows no picture"]
    assert museum.paths().count("/v1/objects/0") == 1
    assert museum.paths().count("/web-large/3.jpg") == 1


def test_a_run_says_the_counts_when_it_begins_to_gather(table, museum, tmp_path):
    options = {"data": str(table), "seconds": 0.0, "cache": str(tmp_path / "cache")}
    recipe = load(Path(__file__).parents[2] / "recipes" / "smoke.toml")
    recipe = recipe.model_copy(update={"source": {"name": "met", **options}})
    said = []
    for _ in range(2):
        gather(Run(recipe, tmp_path / "run", said.append))
    notes = [event["text"] for event in said if event["kind"] == "note"]
    assert notes == [text for text, _ in clause_counts(**options)]
    told = [event for event in said if event["kind"] == "progress"]
    # From the first print on, and of how many: each takes a second.
    assert [(event["done"], event["total"]) for event in told] == [(1, 8), (8, 8)]
