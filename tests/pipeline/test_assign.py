"""Pictures of documents assigned to texts, from a real server to groups with several pictures."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from haiga.cli import main
from haiga.curation.interleave import How
from haiga.errors import RecipeError
from haiga.pipeline.assigning import assign
from haiga.sources import SOURCES
from haiga.sources.floating_world import floating_world
from haiga.sources.url_list import Fetching
from loopback import send, serving
from made import curated

PRINTS = list(floating_world(5, "en", 0, prints=4))
CAPTIONS = [each.caption for each in PRINTS]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as served:
        for n, each in enumerate(PRINTS):
            data = each.pictures[0][0]
            served.routes[f"/{n}.jpg"] = lambda h, t, data=data: send(h, data)
        served.routes["/broken.jpg"] = lambda h, t: send(h, b"\xff\xd8 no picture")
        yield served


def how(folder, **changes) -> How:
    fetching = Fetching(per_host=0.0, cache=str(folder / "fetched"))
    return How("obelics", "mmc4", "one", 0.0, fetching)._replace(**changes)


def obelics(path, url: str, pages: list[tuple[list, list[str]]]) -> str:
    """Pages with all their pictures at the top, as a page often has them."""
    rows = []
    for names, texts in pages:
        images = [f"{url}/{name}.jpg" for name in names]
        rows.append(
            {
                "images": [*images, None],
                "texts": [*[None] * len(images), "\n\n".join(texts)],
                "metadata": json.dumps([{"alt_text": image} for image in images] + [None]),
                "general_metadata": json.dumps({"url": "https://example.org/prints"}),
            }
        )
    pq.write_table(pa.Table.from_pylist(rows), path / "pages.parquet")
    return str(path / "pages.parquet")


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_each_picture_finds_its_own_paragraph(server, tmp_path):
    data = obelics(tmp_path, server.url, [([2, 0, 1, "gone", "broken"], CAPTIONS[:3])])
    path, tally = assign(data, tmp_path / "out", "world:tower", how(tmp_path))
    (row,) = lines(path)
    assert row["text_list"] == CAPTIONS[:3]
    assert [info["matched_text_index"] for info in row["image_info"]] == [2, 0, 1]
    for info, cosines in zip(row["image_info"], row["similarity_matrix"], strict=True):
        assert info["matched_sim"] == max(cosines) == cosines[info["matched_text_index"]]
    assert row["image_info"][0]["alt_text"].endswith("/2.jpg")
    assert row["url"] == "https://example.org/prints"
    assert (tally.assigned, tally.gone, tally.unlike, tally.texts_with_one) == (3, 2, 0, 3)
    made = json.loads((tmp_path / "out" / "assigned.json").read_text("utf-8"))
    assert (made["encoder"]["tower"], made["assigned"]) == ("world:tower", 3)


def test_many_pictures_of_one_text_become_a_group_with_several(server, tmp_path):
    data = obelics(tmp_path, server.url, [([0, 1, 3], [CAPTIONS[0]])])
    way = how(tmp_path, method="many", minimum=-1.0, to="obelics")
    path, tally = assign(data, tmp_path / "out", "world:tower", way)
    assert (tally.assigned, tally.texts_with_several) == (3, 1)
    (row,) = pq.read_table(path).to_pylist()
    assert row["texts"] == [None, None, None, CAPTIONS[0]]
    assert [bool(each) for each in json.loads(row["metadata"])] == [True, True, True, False]
    before = len(server.asked)
    found = SOURCES["obelics"](0, "en", 0, data=str(path), fetch=way.fetching)
    (group,), pictures, _ = curated(tmp_path / "run", lambda skip: found)
    assert len(server.asked) == before  # what was fetched is not fetched again
    assert len(group.pictures) == 3
    assert group.prompt[0].images == 3
    assert group.answers[0].text == CAPTIONS[0]
    assert {pictures[each.id] for each in group.pictures} == {
        PRINTS[n].pictures[0][0] for n in (0, 1, 3)
    }


def test_mmc4_is_assigned_anew_and_odd_rows_are_counted(server, tmp_path):
    infos = [{"raw_url": f"{server.url}/{n}.jpg", "matched_text_index": 0, "matched_sim": 0.3,
              "face_detections": None} for n in (1, 0)]  # fmt: skip
    rows = [
        {"text_list": CAPTIONS[:2], "image_info": infos, "url": "https://example.org"},
        {"text_list": CAPTIONS[:2]},
        {"text_list": [], "image_info": []},
    ]
    (tmp_path / "docs.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    way = how(tmp_path, form="mmc4")
    path, tally = assign(str(tmp_path / "docs.jsonl"), tmp_path / "out", "world:tower", way)
    (row,) = lines(path)
    assert [info["matched_text_index"] for info in row["image_info"]] == [1, 0]
    assert row["image_info"][0]["face_detections"] is None
    assert tally.faults == {"no text_list, or no image_info": 1, "no text": 1}
    things = list(SOURCES["mmc4"](0, "en", 0, data=str(path), fetch=way.fetching))
    assert [thing.answers[0].text for thing in things] == CAPTIONS[:2]


def test_the_command_says_what_became_of_the_pictures(server, tmp_path, capsys):
    data = obelics(tmp_path, server.url, [([1], CAPTIONS[:2])])
    assert main(["assign", data, str(tmp_path / "out"), "--tower", "world:tower"]) == 0
    said = capsys.readouterr().out
    assert "assigned to a text\t1" in said
    assert 'source.name = "obelics"' in said


@pytest.mark.parametrize(
    ("change", "says"),
    [({"form": "obelic"}, "no form 'obelic' .*'obelics'"), ({"method": "two"}, "no method 'two'")],
)
def test_what_there_is_not_is_named(tmp_path, change, says):
    with pytest.raises(RecipeError, match=says):
        assign("x", tmp_path, "world:tower", how(tmp_path, **change))
