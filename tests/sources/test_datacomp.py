"""DataComp's metadata in their published columns, a subset as its filters write it, a server."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from haiga.errors import DataError
from haiga.sources.datacomp import datacomp, row_counts
from haiga.sources.url_list import Fetching
from loopback import send, serving
from made import curated, picture

SCHEMA = pa.schema([
    ("uid", pa.string()), ("url", pa.string()), ("text", pa.string()),
    ("original_width", pa.int64()), ("original_height", pa.int64()),
    ("clip_b32_similarity_score", pa.float32()), ("clip_l14_similarity_score", pa.float32()),
    ("face_bboxes", pa.list_(pa.list_(pa.float32()))), ("sha256", pa.string()),
])  # fmt: skip


@pytest.fixture(scope="module")
def server():
    with serving() as served:
        for n in range(6):
            data = picture(n, "JPEG")
            served.routes[f"/{n}.jpg"] = lambda h, t, data=data: send(h, data)
        yield served


@pytest.fixture
def pool(server, tmp_path, monkeypatch):
    """Six rows: one without a score, one with a face, one that is gone, one that has changed."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    rows = [
        {
            "uid": f"{n + 1:016x}{2**64 - 1 - n:016x}",
            "url": f"{server.url}/{n}.jpg",
            "text": f"A boat, number {n}.",
            "original_width": 96,
            "original_height": 96,
            "clip_b32_similarity_score": 0.25 + n / 100,
            "clip_l14_similarity_score": 0.2,
            "face_bboxes": [],
            "sha256": hashlib.sha256(picture(n, "JPEG")).hexdigest(),
        }
        for n in range(6)
    ]
    rows[1]["clip_b32_similarity_score"] = None
    rows[2]["face_bboxes"] = [[0.1, 0.1, 0.5, 0.5]]
    rows[4]["url"] = f"{server.url}/gone.jpg"
    rows[5]["sha256"] = "0" * 64
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), tmp_path / "00.parquet")
    uids = [(int(row["uid"][:16], 16), int(row["uid"][16:], 16)) for row in reversed(rows[:5])]
    np.save(tmp_path / "subset.npy", np.array(uids, np.dtype("u8,u8")))
    return tmp_path


def _found(pool, skip=0, **options):
    return list(
        datacomp(
            0, "en", skip, data=str(pool / "00.parquet"), fetch=Fetching(per_host=0.0), **options
        )
    )


def test_a_pool_is_fetched_and_its_failures_are_named(pool):
    found = _found(pool)
    assert [each.fault for each in found] == ["", "", "", "", "HTTP 404", "its checksum differs"]
    assert found[0].caption == "A boat, number 0."
    assert found[0].pictures == ((picture(0, "JPEG"), ".jpg"),)
    assert found[2].meta["face_bboxes"] == pytest.approx(np.array([[0.1, 0.1, 0.5, 0.5]]))


def test_what_is_taken_is_counted_rule_by_rule(pool):
    options = {
        "subset": str(pool / "subset.npy"),
        "at_least": {"clip_b32_similarity_score": 0.26},
    }
    assert [each.id for each in _found(pool, **options)] == [
        "00.parquet:3",
        "00.parquet:4",
        "00.parquet:5",
    ]
    assert [each.id for each in _found(pool, 2, **options)] == ["00.parquet:5"]
    assert list(row_counts(data=str(pool / "00.parquet"), **options, fetch=None)) == [
        ("6 rows in DataComp's metadata", 6),
        ("5 after the subset subset.npy", 5),
        ("3 after clip_b32_similarity_score >= 0.26", 3),
    ]


def test_what_cannot_be_used_is_a_sentence(pool):
    np.save(pool / "floats.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"is no subset of DataComp: it holds float64"):
        _found(pool, subset=str(pool / "floats.npy"))
    with pytest.raises(DataError, match=r"cannot be read"):
        _found(pool, subset=str(pool / "absent.npy"))
    with pytest.raises(DataError, match=r"no column 'clip_b32_score' \(did you mean"):
        _found(pool, at_least={"clip_b32_score": 0.3})
    with pytest.raises(DataError, match=r"passes clip_l14_similarity_score >= 0.9"):
        _found(pool, at_least={"clip_l14_similarity_score": 0.9})


def test_it_becomes_groups(pool, tmp_path):
    options = {"data": str(pool / "00.parquet"), "fetch": Fetching(per_host=0.0)}
    groups, pictures, dropped = curated(
        tmp_path / "data", lambda skip: datacomp(0, "en", skip, **options)
    )
    assert [group.answers[0].text for group in groups] == [f"A boat, number {n}." for n in range(4)]
    assert pictures[groups[3].pictures[0].id] == picture(3, "JPEG")
    assert len(dropped) == 2
