"""A folder as a practitioner has it: captions in four places, and everything that can be odd."""

import json
import shutil

import pytest

from haiga.errors import DataError
from haiga.sources import SOURCES
from haiga.sources.folder import folder, passed_over
from made import curated, picture


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "prints"
    for n, name in enumerate(
        ["b/2.png", "b/10.png", "a.PNG", "c/one.jpg", "c/two.jpg", "c/deep/three.png"]
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(n, "JPEG" if name.endswith("jpg") else "PNG"))
    (root / "a.txt").write_bytes("\ufeffA boat, \u821f.\n".encode())
    beside = {"caption": "Rain on a bridge.", "license": "CC0", "artist": "Hiroshige", "year": 1857}
    (root / "b/2.json").write_text(json.dumps(beside))
    rows = [
        {"file_name": "one.jpg", "text": "A crow in snow.", "licence": "PD", "tags": ["bird"]},
        {"file_name": "deep/three.png", "text": ""},
        {"file_name": "four.jpg", "text": "Nobody has it."},
        {"file_name": "../../x.jpg", "text": "Elsewhere."},
        {"file_name": "./one.jpg", "text": "Again."},
    ]
    lines = [json.dumps(row) for row in rows]
    (root / "c/metadata.jsonl").write_text("\n".join([*lines[:3], "{broken", *lines[3:]]) + "\n")
    return root


def _folder(root, skip=0, **options):
    return list(folder(0, "en", skip, path=str(root), **options))


def test_words_are_found_beside_the_picture_and_in_tables(root):
    found = {each.id: each for each in _folder(root, meta={"licence": "CC-BY", "source": "attic"})}
    assert {name: each.caption for name, each in found.items() if each.pictures} == {
        "a.PNG": "A boat, \u821f.",
        "b/10.png": "",
        "b/2.png": "Rain on a bridge.",
        "c/one.jpg": "A crow in snow.",
        "c/two.jpg": "",
        "c/deep/three.png": "",
    }
    assert found["b/2.png"].meta == {
        "file": "b/2.png",
        "licence": "CC0",
        "source": "attic",
        "artist": "Hiroshige",
        "year": 1857,
    }
    assert found["c/one.jpg"].meta["tags"] == ["bird"]
    assert found["c/two.jpg"].meta["licence"] == "CC-BY"
    assert found["a.PNG"].pictures == ((picture(2), ".png"),)


def test_what_is_wrong_is_named(root):
    faults = {each.id: each.fault for each in _folder(root) if each.fault}
    assert faults == {
        "c/four.jpg": "named in a table and not there",
        "c/metadata.jsonl:4": "not JSON",
        "c/metadata.jsonl:5": "names a file outside the folder",
        "c/metadata.jsonl:6": "names a file that another row names",
    }


def test_unreadable_files_are_set_aside_by_name(root):
    (root / "empty.jpg").write_bytes(b"")
    (root / "page.jpg").write_bytes(b"<html>not found</html>")
    (root / "latin.png").write_bytes(picture(7))
    (root / "latin.txt").write_bytes(b"caf\xe9")
    (root / "list.png").write_bytes(picture(8))
    (root / "list.json").write_text("[1]")
    faults = {each.id: each.fault for each in _folder(root) if "/" not in each.id and each.fault}
    assert faults == {
        "empty.jpg": "empty file",
        "page.jpg": "not a picture",
        "latin.png": "the words beside it cannot be read",
        "list.png": "the .json beside it is no JSON object",
    }


def test_links_that_leave_the_folder_are_refused(root, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s.png").write_bytes(picture(9))
    (secret / "s.txt").write_text("a secret")
    (root / "out.png").symlink_to(secret / "s.png")
    (root / "a.txt").unlink()
    (root / "a.txt").symlink_to(secret / "s.txt")
    (root / "outside").symlink_to(secret)
    (root / "b/up").symlink_to(root)
    (root / "same.png").symlink_to(root / "b/2.png")
    (root / "gone.png").symlink_to(root / "nothing.png")
    found = {each.id: each for each in _folder(root)}
    assert {name: found[name].fault for name in ("out.png", "outside", "b/up", "gone.png")} == {
        "out.png": "a link that leaves the folder",
        "outside": "a link that leaves the folder",
        "b/up": "a link to a folder",
        "gone.png": "its picture is not there",
    }
    assert found["same.png"].pictures == found["b/2.png"].pictures
    assert found["a.PNG"].caption == ""
    assert "secret" not in repr(found.values())


def test_a_folder_of_links_that_leave_it_says_so(tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "s.png").write_bytes(picture(9))
    (tmp_path / "links" / "out.png").symlink_to(tmp_path / "s.png")
    with pytest.raises(DataError, match=r"links but out.png, which is a link that leaves the fold"):
        _folder(tmp_path / "links")


def test_what_is_not_looked_at_is_counted_by_its_ending(root):
    assert list(passed_over(path=str(root))) == []
    for name in ("b/raw.CR2", "c/raw.cr2", "drawing.svg", "b/scan", "c/alone.txt", ".DS_Store"):
        (root / name).write_bytes(b"x")
    ((text, number),) = passed_over(path=str(root), caption="titre")
    assert text == (
        "5 files are passed over, not called like a picture (.cr2 2, .svg 1, no ending 1, .txt 1); "
        "the first is drawing.svg"
    )
    assert number == len(_folder(root))


def test_another_place_and_any_skip_give_the_same_rows(root, tmp_path):
    whole = _folder(root)
    shutil.copytree(root, tmp_path / "x" / "y")
    assert _folder(tmp_path / "x" / "y") == whole
    for skip in range(len(whole) + 1):
        assert _folder(root, skip) == whole[skip:]
    assert len({each.id for each in whole}) == len(whole) == 10


def test_a_table_of_csv_and_a_column_of_ones_own(tmp_path):
    (tmp_path / "1.png").write_bytes(picture(1))
    (tmp_path / "metadata.csv").write_bytes(
        '\ufefffile_name,titre,maker\n1.png,"Vague, grande\net haute",\n'.encode()
    )
    (one,) = _folder(tmp_path, caption="titre")
    assert one.caption == "Vague, grande\net haute"
    assert one.meta == {"file": "1.png"}


def test_a_table_may_name_its_pictures_as_datasets_does(tmp_path):
    (tmp_path / "1.png").write_bytes(picture(1))
    table = tmp_path / "metadata.jsonl"
    table.write_text('{"image_file_name": "1.png", "text": "A wave.", "maker": "X"}\n')
    (one,) = _folder(tmp_path)
    assert (one.caption, one.meta) == ("A wave.", {"file": "1.png", "maker": "X"})
    table.write_text('{"images_file_names": ["1.png"], "text": "A wave."}\n')
    with pytest.raises(DataError, match="several pictures a row take the source 'captioned'"):
        _folder(tmp_path)
    columns = {"images": "images_file_names"}
    (one,) = SOURCES["captioned"](0, "en", 0, data=str(table), columns=columns)
    assert (one.caption, len(one.pictures)) == ("A wave.", 1)


def test_what_cannot_be_used_at_all_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        _folder(tmp_path / "none")
    with pytest.raises(DataError, match="There is no picture in"):
        _folder(tmp_path)
    (tmp_path / "1.png").write_bytes(picture(1))
    (tmp_path / "metadata.csv").write_text("name,text\n1.png,x\n")
    with pytest.raises(DataError, match=r"row 1 has no 'file_name'; it has name, text"):
        _folder(tmp_path)


def test_it_becomes_groups_and_the_rest_is_counted(root, tmp_path):
    (root / "page.jpg").write_bytes(b"<html>")
    groups, pictures, dropped = curated(
        tmp_path / "data", lambda skip: folder(0, "en", skip, path=str(root))
    )
    texts = {group.id: group.answers[0].text for group in groups}
    assert texts == {
        "a.PNG/describe": "A boat, \u821f.",
        "b/2.png/describe": "Rain on a bridge.",
        "c/one.jpg/describe": "A crow in snow.",
    }
    assert pictures[groups[0].pictures[0].id] == picture(2)
    assert [row["reason"] for row in dropped].count("not a picture") == 1
    assert len(dropped) == 5
