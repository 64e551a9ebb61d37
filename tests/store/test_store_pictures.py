import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.errors import StoreError
from haiga.store import PictureFiles, digest


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=5))
def test_what_is_added_is_read_back_by_its_digest(blobs):
    with tempfile.TemporaryDirectory() as name:
        pictures = PictureFiles(Path(name))
        for blob in blobs:
            assert pictures.add(blob, ".png") == digest(blob)
        again = PictureFiles(Path(name))
        assert dict(again) == {digest(blob): blob for blob in blobs}
        assert len(again) == len(set(blobs))


def test_a_picture_is_stored_once_under_its_first_two_digits(tmp_path):
    pictures = PictureFiles(tmp_path)
    id = pictures.add(b"print", ".JPG")
    assert PictureFiles(tmp_path).add(b"print", ".png") == id
    assert pictures.path(id) == tmp_path / "pictures" / id[:2] / f"{id}.jpg"
    assert len(list((tmp_path / "pictures").rglob("*.*"))) == 1


def test_one_reader_sees_what_another_adds(tmp_path):
    reader, writer = PictureFiles(tmp_path), PictureFiles(tmp_path)
    assert digest(b"late") not in reader
    writer.add(b"late", ".jpg")
    assert reader[digest(b"late")] == b"late"


@pytest.mark.parametrize("id", ["0" * 32, "../../etc/passwd", ""])
def test_a_missing_picture_is_a_sentence_and_a_key_error(tmp_path, id):
    pictures = PictureFiles(tmp_path)
    assert pictures.get(id) is None
    with pytest.raises(StoreError, match="There is no picture"):
        pictures[id]
    with pytest.raises(KeyError):
        pictures.path(id)


@pytest.mark.parametrize("suffix", ["jpg", "", "./a", ".j pg"])
def test_a_suffix_that_is_none_is_refused(tmp_path, suffix):
    with pytest.raises(StoreError, match="suffix"):
        PictureFiles(tmp_path).add(b"", suffix)


def test_many_are_added_at_once_and_the_first_suffix_stays(tmp_path):
    blobs = [bytes([n % 40]) for n in range(60)]
    pictures = PictureFiles(tmp_path)
    ids = pictures.add_all(
        [(blob, f".{'jpg' if at < 40 else 'png'}") for at, blob in enumerate(blobs)]
    )
    assert ids == [digest(blob) for blob in blobs]
    assert {path.suffix for path in (tmp_path / "pictures").rglob("*.*")} == {".jpg"}
    assert dict(PictureFiles(tmp_path)) == dict(zip(ids, blobs, strict=True))
    assert pictures.add_all([]) == []
