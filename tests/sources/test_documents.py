"""OBELICS and MMC4 in their published forms, odd rows included, and a server for their pictures."""

import json
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from haiga.errors import DataError
from haiga.records import IMAGE
from haiga.sources import SOURCES
from haiga.sources.conversations import as_messages, messages
from haiga.sources.documents import Place, mmc4, obelics
from haiga.sources.url_list import Fetching
from loopback import send, serving
from made import curated, picture

AT_ONCE = Fetching(per_host=0.0)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as served:
        for n in range(6):
            data = picture(n, "JPEG")
            served.routes[f"/{n}.jpg"] = lambda h, t, data=data: send(h, data)
        yield served


def _page(url, *parts):
    """A row of OBELICS: a number is a picture, None a place that has neither."""
    images = [f"{url}/{each}.jpg" if isinstance(each, int) else None for each in parts]
    texts = [each if isinstance(each, str) else None for each in parts]
    told = [{"src": image} if image else None for image in images]
    return {
        "images": images,
        "texts": texts,
        "metadata": json.dumps(told),
        "general_metadata": json.dumps({"url": "https://example.org/prints"}),
    }


def _obelics(tmp_path, rows, skip=0, **options):
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train-00000.parquet")
    data = str(tmp_path / "train-00000.parquet")
    return list(SOURCES["obelics"](0, "en", skip, data=data, fetch=AT_ONCE, **options))


def _mmc4(tmp_path, rows, **options):
    name = "docs_no_face_shard_0_v2.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
        archive.writestr(name, "\n".join(lines))
    data = str(tmp_path / f"{name}.zip")
    return list(SOURCES["mmc4"](0, "en", 0, data=data, fetch=AT_ONCE, **options))


def test_each_text_behind_a_picture_is_an_answer_once(server, tmp_path):
    page = _page(server.url, "Prints.", 0, "A boat.", "It rains.", 1, 2, "Two cranes.", 3)
    one, two = _obelics(tmp_path, [page])
    assert [each.id for each in (one, two)] == [
        "train-00000.parquet:1.1",
        "train-00000.parquet:1.2",
    ]
    assert one.prompt[0].parts == ("Prints.", IMAGE)
    assert one.answers[0].text == "A boat.\n\nIt rains."
    assert two.prompt[0].parts == ("Prints.", IMAGE, "A boat.\n\nIt rains.", IMAGE, IMAGE)
    assert two.answers[0].text == "Two cranes."
    assert [data for data, _ in two.pictures] == [picture(n, "JPEG") for n in range(3)]
    assert json.loads(one.meta["general_metadata"])["url"] == "https://example.org/prints"


def test_a_prompt_begins_with_the_first_of_its_last_four_pictures(server, tmp_path):
    page = _page(server.url, "a", 0, 1, "b", 2, 3, 4, "c")
    _, two = _obelics(tmp_path, [page])
    assert two.prompt[0].parts == (IMAGE, "b", IMAGE, IMAGE, IMAGE)


def test_a_picture_that_is_gone_leaves_its_place_or_is_the_reason(server, tmp_path):
    page = _page(server.url, 0, "A boat.", 9, "Nothing.", 1, "A crane.")
    one, two, three = _obelics(tmp_path, [page])
    assert (one.fault, two.fault, three.fault) == ("", "HTTP 404", "")
    assert three.prompt[0].parts == (IMAGE, "A boat.", "Nothing.", IMAGE)
    assert [each["url"] for each in three.meta["lost"]] == [f"{server.url}/9.jpg"]
    assert len(three.pictures) == 2
    assert "lost" not in one.meta


def test_odd_rows_are_named(server, tmp_path):
    good = _page(server.url, 0, "A boat.")
    rows = [
        {**good, "texts": ["A text beside a picture.", "A boat."]},
        {**good, "images": [None, None]},
        {**good, "texts": ["short"]},
        _page(server.url, "Words alone.", 0),
        _page(server.url, 0, "  ", 1),
        good,
    ]
    assert [each.fault for each in _obelics(tmp_path, rows)] == [
        "a place with a picture and a text, or with neither",
        "a place with a picture and a text, or with neither",
        "images and texts are no lists of one length",
        "no text follows a picture",
        "no text follows a picture",
        "",
    ]


def test_going_on_fetches_only_what_is_left(server, tmp_path):
    pages = [
        _page(server.url, 0, "a", 1, "b", 2, "c"),
        _page(server.url, "x"),
        _page(server.url, 3, "d"),
    ]
    whole = _obelics(tmp_path, pages)
    assert len(whole) == 5
    for skip in range(6):
        assert _obelics(tmp_path, pages, skip) == whole[skip:]
    server.asked.clear()
    _obelics(tmp_path, pages, 4)
    assert [path for path, _ in server.asked] == ["/3.jpg"]


def _sheet(url, **change):
    return {
        "text_list": ["Prints of Edo.", "A boat in the rain.", "A crane.", "The end."],
        "url": "https://example.org/edo",
        "image_info": [
            {"image_name": "a.jpg", "raw_url": f"{url}/0.jpg", "face_detections": None,
             "matched_text_index": 1, "matched_sim": 0.31},
            {"image_name": "b.jpg", "raw_url": f"{url}/1.jpg", "face_detections": None,
             "matched_text_index": 1, "matched_sim": 0.22},
            {"image_name": "c.jpg", "raw_url": f"{url}/2.jpg", "face_detections": None,
             "matched_text_index": 2, "matched_sim": 0.29},
        ],
        "similarity_matrix": [[0.1, 0.31, 0.2, 0.1], [0.1, 0.22, 0.2, 0.1], [0.1, 0.2, 0.29, 0.1]],
        "could_have_url_duplicate": 0,
        **change,
    }  # fmt: skip


def test_mmc4_puts_pictures_before_their_sentence(server, tmp_path):
    one, two = _mmc4(tmp_path, [_sheet(server.url)])
    assert one.prompt[0].parts == ("Prints of Edo.", IMAGE, IMAGE)
    assert one.answers[0].text == "A boat in the rain."
    assert two.answers[0].text == "A crane. The end."
    assert (one.meta["url"], "similarity_matrix" in one.meta) == ("https://example.org/edo", False)
    one, _ = _mmc4(tmp_path, [_sheet(server.url)], similarity=0.24)
    assert one.prompt[0].parts == ("Prints of Edo.", IMAGE)


def test_mmc4_says_how_many_faces_were_found_where_somebody_looked(server, tmp_path):
    sheet = _sheet(server.url)
    first, second, *rest = sheet["image_info"]
    infos = [{**first, "face_detections": [[0, 1], [2, 3]]}, {**second, "face_detections": None}]
    things = _mmc4(tmp_path, [{**sheet, "image_info": [*infos, *rest]}])
    assert things[0].meta["faces"] == 2
    assert all("faces" not in thing.meta for thing in _mmc4(tmp_path, [sheet]))


def test_odd_sheets_are_named(server, tmp_path):
    outside = _sheet(server.url)
    outside["image_info"][0]["matched_text_index"] = 4
    rows = [
        outside,
        "{not json",
        _sheet(server.url, image_info=[]),
        _sheet(server.url, text_list=None),
    ]
    assert [each.fault for each in _mmc4(tmp_path, rows)] == [
        "a picture without an address, or without its sentence",
        "not JSON",
        "no text follows a picture",
        "no text_list, or no image_info",
    ]


def test_archives_that_cannot_be_read_are_sentences(tmp_path):
    path = tmp_path / "cut.jsonl.zip"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match=r"cannot be read"):
        list(SOURCES["mmc4"](0, "en", 0, data=str(path)))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no rows")
    with pytest.raises(DataError, match=r"holds no \.jsonl file"):
        list(SOURCES["mmc4"](0, "en", 0, data=str(path)))


def test_they_become_groups_and_go_back_to_messages(server, tmp_path):
    page = _page(server.url, 0, "A boat.", 1, "A crane.")
    pq.write_table(pa.Table.from_pylist([page]), tmp_path / "rows.parquet")
    options = {"data": str(tmp_path / "rows.parquet"), "fetch": AT_ONCE}
    groups, pictures, dropped = curated(
        tmp_path / "data", lambda skip: SOURCES["obelics"](0, "en", skip, **options)
    )
    assert not dropped
    assert [len(group.pictures) for group in groups] == [1, 2]
    (row,) = as_messages(groups[1], pictures)
    talk = messages(row)
    assert talk.prompt == groups[1].prompt
    assert [answer.text for answer in talk.answers] == ["A crane."]


def test_forms_are_pure_functions_of_a_row():
    page = _page("http://x", 0, "A boat.")
    assert obelics(page, 0.0) == (Place("http://x/0.jpg"), "A boat.")
    assert mmc4(_sheet("http://x"), 0.3)[1] == Place("http://x/0.jpg")
