import json
import math
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.errors import DriftError, StoreError
from haiga.store import Folder

PLAN = ("filter", {"pictures": [{"name": "side", "minimum": 96}]}, {"00_raw": "aa"})

INT64 = st.integers(-(2**63), 2**63 - 1)
ROW = st.fixed_dictionaries(
    {
        "id": st.text(),
        "number": INT64 | st.none(),
        "share": st.floats(allow_nan=False) | st.none(),
        "flag": st.booleans(),
        "words": st.lists(st.text(), max_size=3),
        "data": st.binary(max_size=20),
        "box": st.fixed_dictionaries({"x": INT64, "label": st.text() | st.none()}) | st.none(),
    }
)
SHARDS = st.lists(
    st.tuples(st.lists(ROW, max_size=4), st.lists(st.text(min_size=1), max_size=3)), max_size=4
)


def out(id, reason="too small"):
    return {"id": id, "reason": reason, "measurements": json.dumps({"side": 3})}


def files(path):
    """Relative name -> bytes of every Parquet file."""
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*.parquet"))}


def fill(folder, shards, stop_before=math.inf, plan=PLAN, made=None):
    """Write shards as a stage does: those that are not there. Returns the numbers written."""
    made = [] if made is None else made
    with folder.writer(*plan) as writer:
        for number, (kept, reasons) in enumerate(shards):
            if number >= stop_before:
                raise KeyboardInterrupt
            if not writer.has(number):
                writer.write(number, kept, [out(str(i), r) for i, r in enumerate(reasons)])
                made.append(number)
    return made


THREE = [([{"id": "a"}, {"id": "b"}], ["blurred"]), ([], ["tiny", "tiny"]), ([{"id": "c"}], [])]


@settings(max_examples=30, deadline=None)
@given(SHARDS)
def test_any_rows_round_trip(shards):
    with tempfile.TemporaryDirectory() as name:
        folder = Folder(Path(name) / "01_filtered")
        fill(folder, shards)
        assert list(folder.rows()) == [row for kept, _ in shards for row in kept]
        reasons = [reason for _, dropped in shards for reason in dropped]
        assert [row["reason"] for row in folder.dropped()] == reasons
        manifest = folder.manifest()
        kept = sum(len(kept) for kept, _ in shards)
        assert manifest.counts == {
            "in": kept + len(reasons), "kept": kept, "dropped": len(reasons)
        }  # fmt: skip
        assert manifest.reasons == {reason: reasons.count(reason) for reason in set(reasons)}


@settings(max_examples=20, deadline=None)
@given(SHARDS, st.data())
def test_resuming_after_an_exception_equals_never_having_stopped(shards, data):
    stop = data.draw(st.integers(0, len(shards)))
    with tempfile.TemporaryDirectory() as name:
        straight, stopped = Folder(Path(name) / "a"), Folder(Path(name) / "b")
        fill(straight, shards)
        if stop < len(shards):
            with pytest.raises(KeyboardInterrupt):
                fill(stopped, shards, stop)
            assert stopped.manifest() is None
            assert fill(stopped, shards) == list(range(stop, len(shards)))
        else:
            fill(stopped, shards)
        assert files(stopped.path) == files(straight.path)
        a, b = straight.manifest(), stopped.manifest()
        same = ("fingerprint", "counts", "reasons", "quality")
        assert [getattr(a, n) for n in same] == [getattr(b, n) for n in same]


KILLED = """
import os, signal, sys
from pathlib import Path
import haiga.store.files as files
from haiga.store import Folder

at, original = sys.argv[2], os.fsync
def fsync(handle):
    if at in os.readlink(f"/proc/self/fd/{handle}"):
        os.kill(os.getpid(), signal.SIGKILL)
    original(handle)
os.fsync = fsync
with Folder(Path(sys.argv[1])).writer("filter", {}, {}) as writer:
    for i in range(4):
        if not writer.has(i):
            row = {"id": str(i), "reason": "tiny", "measurements": "{}"}
            writer.write(i, [{"id": f"{i}-{j}"} for j in range(5)], [row])
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    "at", ["shards/.00002", "dropped/.00002", ".dropped.parquet", ".manifest.json"]
)
def test_resuming_after_kill_9_equals_never_having_stopped(tmp_path, at):
    straight, killed = tmp_path / "straight", tmp_path / "killed"

    def run(path, at):
        return subprocess.run([sys.executable, "-c", KILLED, str(path), at]).returncode

    assert run(straight, "never") == 0
    assert run(killed, at) == -signal.SIGKILL
    assert Folder(killed).manifest() is None
    assert list(killed.rglob(".*.tmp"))
    assert run(killed, "never") == 0
    assert files(killed) == files(straight)
    assert sorted(p.name for p in killed.iterdir()) == [
        "dropped.parquet",
        "manifest.json",
        "shards",
    ]
    assert not list(killed.rglob(".*.tmp"))
    assert Folder(killed).manifest().counts == {"in": 24, "kept": 20, "dropped": 4}


def test_an_unfinished_folder_of_another_plan_starts_anew(tmp_path):
    folder = Folder(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fill(folder, THREE, 2)
    other = ("filter", {"pictures": []}, {"00_raw": "aa"})
    assert fill(folder, [([{"id": "z"}], [])], plan=other) == [0]
    assert list(folder.rows()) == [{"id": "z"}]
    assert list(folder.dropped()) == []


def test_drift_names_the_field_both_values_and_what_to_do(tmp_path):
    folder = Folder(tmp_path)
    fill(folder, THREE)
    assert folder.is_complete(*PLAN)
    changed = ("filter", {"pictures": [{"name": "side", "minimum": 128}]}, {"00_raw": "aa"})
    with pytest.raises(DriftError) as caught:
        folder.is_complete(*changed)
    message = str(caught.value)
    assert "options.pictures.0.minimum: it was 96, now it is 128" in message
    for word in ("Change it back", "--workdir", "--rebuild"):
        assert word in message
    with pytest.raises(DriftError):
        folder.writer(*changed)
    assert list(folder.rows()) == [{"id": "a"}, {"id": "b"}, {"id": "c"}]


@pytest.mark.parametrize(
    ("plan", "code", "says"),
    [
        (("filter", PLAN[1], {"00_raw": "bb"}), "1", "parents.00_raw: its parent 00_raw"),
        (("filter", {"pictures": []}, PLAN[2]), "1", "now it is (absent)"),
        (("split", PLAN[1], PLAN[2]), "1", "stage: it was 'filter', now it is 'split'"),
        (PLAN, "filter/2", "code: it was '1', now it is 'filter/2'"),
    ],
)
def test_every_kind_of_drift_is_named(tmp_path, plan, code, says):
    folder = Folder(tmp_path)
    fill(folder, THREE)
    with pytest.raises(DriftError) as caught:
        folder.is_complete(*plan, code=code)
    assert says in str(caught.value)


def test_rebuild_allows_drift_and_touches_nothing_without_it(tmp_path):
    fill(Folder(tmp_path), THREE)
    folder = Folder(tmp_path, rebuild=True)
    assert folder.is_complete(*PLAN)
    other = ("filter", {}, {})
    assert not folder.is_complete(*other)
    assert len(list(folder.rows())) == 3
    with folder.writer(*other) as writer:
        assert folder.manifest() is None
        assert not writer.has(0)
        writer.write(0, [{"id": "n"}])
    assert list(folder.rows()) == [{"id": "n"}]
    assert list(folder.dropped()) == []


def test_a_child_is_made_of_its_parents_fingerprint(tmp_path):
    folder = Folder(tmp_path)
    with pytest.raises(StoreError, match=r"no manifest\.json"):
        folder.fingerprint()
    fill(folder, THREE)
    assert folder.fingerprint() == folder.manifest().fingerprint


def test_the_writer_of_a_complete_folder_has_all_and_changes_nothing(tmp_path):
    folder = Folder(tmp_path)
    fill(folder, THREE)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert fill(folder, THREE) == []
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    with folder.writer(*PLAN) as writer, pytest.raises(StoreError, match="is complete"):
        writer.write(0, [])


def test_rows_of_a_folder_that_is_not_complete_are_refused(tmp_path):
    with pytest.raises(StoreError, match="does not exist"):
        Folder(tmp_path / "nowhere").rows()
    with pytest.raises(KeyboardInterrupt):
        fill(Folder(tmp_path), THREE, 1)
    with pytest.raises(StoreError, match=r"no manifest\.json"):
        Folder(tmp_path).rows()
    with pytest.raises(StoreError, match=r"no manifest\.json"):
        Folder(tmp_path).dropped()


def test_a_lost_shard_is_noticed(tmp_path):
    folder = Folder(tmp_path)
    fill(folder, THREE)
    (tmp_path / "shards" / "00000.parquet").unlink()
    with pytest.raises(StoreError, match="counts 3 rows and its shards hold 1"):
        folder.rows()


def test_a_gap_between_shards_leaves_no_manifest(tmp_path):
    with (
        pytest.raises(StoreError, match="shard 0 was not written"),
        Folder(tmp_path).writer(*PLAN) as writer,
    ):
        writer.write(1, [{"id": "a"}])
    assert Folder(tmp_path).manifest() is None


def test_keys_that_some_rows_lack_read_as_none(tmp_path):
    with Folder(tmp_path).writer(*PLAN) as writer:
        writer.write(0, [{"id": "a"}, {"id": "b", "title": "Wave"}])
        writer.write(1, [{"id": "c", "side": 3}])
    assert list(Folder(tmp_path).rows()) == [
        {"id": "a", "title": None, "side": None},
        {"id": "b", "title": "Wave", "side": None},
        {"id": "c", "title": None, "side": 3},
    ]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"x": 1}, {"x": "a"}], "column 'x'"),
        ([{"x": 2**70}], "column 'x'"),
        ([{"x": "\ud800"}], "column 'x'"),
        ([{"x": {}}], "dict without keys"),
        ([{"x": [{"y": {}}]}], "dict without keys"),
        ([{}], "without any column"),
    ],
)
def test_rows_that_cannot_be_stored_are_refused_by_name(tmp_path, rows, says):
    with pytest.raises(StoreError, match=says), Folder(tmp_path).writer(*PLAN) as writer:
        writer.write(0, rows)
    assert files(tmp_path) == {}


def test_a_column_that_changes_its_kind_between_shards_is_refused_at_once(tmp_path):
    with Folder(tmp_path).writer(*PLAN) as writer:
        writer.write(0, [{"x": None}])
        writer.write(1, [{"x": 1}])
        with pytest.raises(StoreError, match="do not agree"):
            writer.write(2, [{"x": "one"}])
        assert not writer.has(2)
    assert [row["x"] for row in Folder(tmp_path).rows()] == [None, 1]


def test_a_schema_is_kept_and_refuses_other_columns(tmp_path):
    schema = pa.schema([("id", pa.string()), ("side", pa.int16())])
    with Folder(tmp_path).writer(*PLAN, schema) as writer:
        writer.write(0, [])
        writer.write(1, [{"id": "a"}])
        with pytest.raises(StoreError, match="no column 'hight'"):
            writer.write(2, [{"id": "b", "hight": 3}])
    assert list(Folder(tmp_path).rows()) == [{"id": "a", "side": None}]


def test_a_dropped_row_needs_a_reason(tmp_path):
    with Folder(tmp_path).writer(*PLAN) as writer, pytest.raises(StoreError, match="'reason'"):
        writer.write(0, [], [{"id": "a", "reason": None}])


def test_a_shard_that_is_written_again_forgets_its_dropped_rows(tmp_path):
    with Folder(tmp_path).writer(*PLAN) as writer:
        writer.write(0, [], [out("a")])
        writer.write(0, [{"id": "a"}])
    assert Folder(tmp_path).manifest().counts == {"in": 1, "kept": 1, "dropped": 0}


def test_quality_is_the_mean_of_its_column(tmp_path):
    with Folder(tmp_path).writer(*PLAN) as writer:
        writer.write(0, [{"quality": 0.25}, {"quality": None}])
        writer.write(1, [{"quality": 0.75}])
    assert Folder(tmp_path).manifest().quality == 0.5


def test_a_folder_can_be_moved(tmp_path):
    fill(Folder(tmp_path / "a"), THREE)
    (tmp_path / "a").rename(tmp_path / "b")
    assert [row["id"] for row in Folder(tmp_path / "b").rows()] == ["a", "b", "c"]


def test_a_broken_manifest_is_a_sentence(tmp_path):
    (tmp_path / "manifest.json").write_text('{"stage": "filter"}')
    with pytest.raises(StoreError, match="is not a manifest"):
        Folder(tmp_path).manifest()


def test_lists_that_are_empty_in_one_shard_and_not_in_another(tmp_path):
    with Folder(tmp_path).writer(*PLAN) as writer:
        writer.write(0, [{"faults": []}], [{**out("a"), "faults": []}])
        writer.write(1, [{"faults": ["late"]}], [{**out("b"), "faults": ["late"]}])
    assert [row["faults"] for row in Folder(tmp_path).rows()] == [[], ["late"]]
    assert [row["faults"] for row in Folder(tmp_path).dropped()] == [[], ["late"]]
