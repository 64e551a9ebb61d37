"""Shards in img2dataset's form, and what should not be in one."""

import io
import json
import tarfile
from importlib import import_module

import pytest

from haiga.errors import DataError
from haiga.sources.webdataset import webdataset
from made import curated, picture


def _shard(path, files):
    """A tar of (name, bytes) or of TarInfo."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for each in files:
            if isinstance(each, tarfile.TarInfo):
                tar.addfile(each)
                continue
            name, data = each
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _sample(n, key=None, **change):
    """As img2dataset leaves it: .jpg, .json, .txt."""
    key = key or f"{n:09d}"
    said = {
        "caption": f"Print {n}.",
        "url": f"https://e.org/{n}.jpg",
        "key": key,
        "status": "success",
        "error_message": None,
        "width": 96,
        "height": 96,
        "original_width": 400,
        "original_height": 400,
        "exif": '{"GPS": "35.7 N"}',
        "sha256": "0" * 64,
        **change,
    }
    return [
        (f"{key}.jpg", picture(n, "JPEG")),
        (f"{key}.json", json.dumps(said).encode()),
        (f"{key}.txt", f"Print {n}.".encode()),
    ]


def _found(path, skip=0, **options):
    return list(webdataset(0, "en", skip, data=str(path), **options))


def _link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def shards(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    _shard(folder / "00000.tar", [*_sample(0), *_sample(1, license="CC BY")])
    odd = [
        *_sample(10000, "000010000"),
        ("000010001.json", b'{"status": "failed_to_download", "url": "https://e.org/x"}'),
        ("000010002.jpg", b"<html>"),
        ("000010003.jpg", picture(3)),  # a PNG called .jpg
        ("000010003.npy", b"features"),
        ("000010004.jpg", picture(4)),
        ("000010004.txt", b"caf\xe9"),
        ("000010005.jpg", picture(5)),
        ("000010005.json", b"[" * 100_000),
        ("../000010006.jpg", picture(6)),
        ("/etc/000010007.jpg", picture(7)),
        _link("000010008.jpg", "/etc/passwd"),
        _link("000010009.jpg", "000010003.jpg", tarfile.LNKTYPE),
        ("000010003.jpg", picture(8)),
    ]
    _shard(folder / "00001.tar", odd)
    return folder


def test_samples_are_what_img2dataset_wrote(shards):
    one, two = _found(shards / "00000.tar", meta={"licence": "unknown"})
    assert (one.id, one.caption) == ("00000.tar/000000000", "Print 0.")
    assert one.pictures == ((picture(0, "JPEG"), ".jpg"),)
    assert one.meta == {
        "url": "https://e.org/0.jpg",
        "width": 96,
        "height": 96,
        "original_width": 400,
        "original_height": 400,
        "sha256": "0" * 64,
        "licence": "unknown",
    }
    assert two.meta["licence"] == "CC BY"


def test_what_should_not_be_in_a_shard_is_named(shards):
    found = {each.id.removeprefix("00001.tar/"): each for each in _found(shards / "00001.tar")}
    assert {name: each.fault for name, each in found.items()} == {
        "000010000": "",
        "000010001": "no picture",
        "000010002": "not a picture",
        "000010003": "",
        "000010004": "its .txt cannot be read",
        "000010005": "its .json cannot be read",
        "../000010006": "a name that leads out of its shard",
        "/etc/000010007": "a name that leads out of its shard",
        "000010008": "not a plain file",
        "000010009": "not a plain file",
        "000010003#10": "its key comes twice",
    }
    assert found["000010001"].meta["url"] == "https://e.org/x"
    assert found["000010003"].pictures == ((picture(3), ".png"),)


def test_a_file_that_says_it_is_huge_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(import_module("haiga.sources.webdataset"), "MAX_BYTES", 100)
    _shard(tmp_path / "a.tar", _sample(1))
    (each,) = _found(tmp_path)
    assert each.fault == "over 64 MB"


def test_a_damaged_shard_is_read_up_to_there(tmp_path):
    _shard(tmp_path / "a.tar", [*_sample(0), *_sample(1), *_sample(2)])
    whole = (tmp_path / "a.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as tar:
        starts = {member.name: member.offset for member in tar}
    second = starts["000000001.jpg"]
    (tmp_path / "a.tar").write_bytes(whole[:second] + b"\xff" * 512 + whole[second + 512 :])
    assert [(each.id, each.fault) for each in _found(tmp_path)] == [
        ("a.tar/000000000", ""),
        ("a.tar", "the shard is damaged from here on"),
    ]
    (tmp_path / "a.tar").write_bytes(whole[: second + 600])
    assert [(each.id, each.fault) for each in _found(tmp_path)] == [
        ("a.tar/000000000", ""),
        ("a.tar/000000001", "the shard is damaged here"),
        ("a.tar", "the shard is damaged from here on"),
    ]


def test_what_is_no_shard_is_a_sentence(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"\x1f\x8b not a tar" * 100)
    with pytest.raises(DataError, match=r"a\.tar is no tar file"):
        _found(tmp_path)
    with pytest.raises(DataError, match=r"nothing to read.*\.tar"):
        _found(tmp_path / "none")


def test_any_skip_gives_the_same_rows(shards):
    whole = _found(shards)
    assert len({each.id for each in whole}) == len(whole) == 13
    for skip in range(14):
        assert _found(shards, skip) == whole[skip:]


def test_it_becomes_groups(shards, tmp_path):
    groups, pictures, dropped = curated(
        tmp_path / "data", lambda skip: webdataset(0, "en", skip, data=str(shards))
    )
    assert [group.answers[0].text for group in groups] == ["Print 0.", "Print 1.", "Print 10000."]
    assert pictures[groups[0].pictures[0].id] == picture(0, "JPEG")
    assert len(dropped) == 9
