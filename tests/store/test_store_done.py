import json

import pytest

from haiga.errors import DriftError, StoreError
from haiga.store import begin, complete, is_complete, require_manifest, spend

PLAN = ("stage", {"epochs": 1}, {"base": "aa"})


def test_a_folder_without_rows_is_complete_once_its_manifest_is_written(tmp_path):
    assert not is_complete(tmp_path, *PLAN)
    with pytest.raises(StoreError, match=r"no manifest\.json"):
        require_manifest(tmp_path)
    made = complete(tmp_path, *PLAN, seconds=2.5)
    assert is_complete(tmp_path, *PLAN)
    assert require_manifest(tmp_path) == made
    assert (made.seconds, made.counts) == (2.5, {"in": 0, "kept": 0, "dropped": 0})


def test_its_drift_is_named_unless_it_may_be_rebuilt(tmp_path):
    complete(tmp_path, *PLAN, seconds=0)
    other = ("stage", {"epochs": 2}, {"base": "aa"})
    with pytest.raises(DriftError, match=r"options\.epochs: it was 1, now it is 2"):
        is_complete(tmp_path, *other)
    assert not is_complete(tmp_path, *other, rebuild=True)


def test_seconds_of_a_session_that_broke_off_are_kept_for_the_same_plan(tmp_path):
    folder = tmp_path / "stage"
    assert begin(folder, *PLAN) == 0
    spend(folder, 2.5)
    assert begin(folder, *PLAN) == 2.5
    assert begin(folder, "stage", {"epochs": 2}, {"base": "aa"}) == 0


def test_what_a_person_should_know_stands_in_the_manifest(tmp_path):
    made = complete(tmp_path, *PLAN, seconds=1, notes=["stopped at step 9"])
    assert made.notes == ("stopped at step 9",)
    assert require_manifest(tmp_path) == made
    path = tmp_path / "manifest.json"
    row = json.loads(path.read_text("utf-8"))
    del row["notes"]  # as one was written before there were any
    path.write_text(json.dumps(row), encoding="utf-8")
    assert require_manifest(tmp_path).notes == ()
