import pytest

import poison
from haiga.curation import measurements
from haiga.curation.breaker import AT_LEAST, stop_if_most_fail
from haiga.curation.measurements import measured
from haiga.errors import DataError, StoreError
from inline import inline

WORDS = [f"picture {n}" for n in range(100)]


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("MEASURED_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def _run(folder, words=WORDS, name="test/1", **options):
    ids = poison.add(folder, words)
    return ids, measured(
        folder / "measurements", name, ids, folder, "poison:measure", engine=inline, **options
    )


def test_what_is_known_is_not_measured_again(tmp_path, log):
    ids, values = _run(tmp_path, WORDS[:70])
    assert values[ids[7]] == {"said": "picture 7"}
    assert poison.counted(log) == WORDS[:70]
    ids, values = _run(tmp_path, WORDS[:70])
    assert (values[ids[69]], len(poison.counted(log))) == ({"said": "picture 69"}, 70)
    # New ones stand before, between and behind those that are known.
    ids, values = _run(tmp_path, WORDS[90:] + WORDS[:90])
    assert poison.counted(log)[70:] == WORDS[90:] + WORDS[70:90]
    assert {values[id_]["said"] for id_ in ids} == set(WORDS)
    assert (len(values), set(values)) == (100, set(ids))


def test_another_version_measures_anew(tmp_path, log):
    _run(tmp_path, ["a"])
    _run(tmp_path, ["a"], name="test/2")
    assert poison.counted(log) == ["a", "a"]


def test_a_picture_named_twice_is_measured_once(tmp_path, log):
    _run(tmp_path, ["a", "b", "a"])
    assert poison.counted(log) == ["a", "b"]


def test_values_are_found_whatever_is_asked_for_first(tmp_path, monkeypatch):
    monkeypatch.setattr(measurements, "SHARD", 4)
    ids, values = _run(tmp_path)
    for at in [*range(99, -1, -7), *range(0, 100, 3)]:
        assert values[ids[at]] == {"said": f"picture {at}"}
    with pytest.raises(KeyError):
        values["f" * 32]
    with pytest.raises(KeyError):
        values["0"]


def test_progress_ends_at_the_number_of_pictures(tmp_path):
    steps = []
    _run(tmp_path, WORDS[:10])
    _run(tmp_path, progress=steps.append)
    assert (steps[0], sum(steps)) == (10, 100)


def test_one_strange_picture_costs_itself_and_is_tried_again(tmp_path, log):
    ids, values = _run(tmp_path, [*WORDS, "raise"])
    assert values[ids[-1]] == {"error": "Measuring failed with RuntimeError: a strange picture."}
    assert sum("error" in values[id_] for id_ in ids) == 1
    assert (len(values), ids[-1] in set(values)) == (101, True)
    _run(tmp_path, [*WORDS, "raise"])
    assert poison.counted(log)[101:] == ["raise"]


def test_the_same_failure_on_most_is_an_operators_fault(tmp_path, log):
    words = [*WORDS[:21], *(f"raise {n}" for n in range(80))]
    with pytest.raises(DataError, match=r"22 of the first 43 pictures.*RuntimeError: a strange"):
        _run(tmp_path, words)
    assert len(poison.counted(log)) == 43  # the rest was not tried


def test_what_failed_before_counts_in_the_next_shard(tmp_path, log, monkeypatch):
    monkeypatch.setattr(measurements, "SHARD", 10)
    words = [*WORDS[:12], *(f"raise {n}" for n in range(80))]
    with pytest.raises(DataError, match="13 of the first 25 pictures"):
        _run(tmp_path, words)
    assert len(poison.counted(log)) == 25


def test_a_few_poisonous_pictures_in_a_row_stop_nothing_late_in_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(measurements, "SHARD", 20)
    ids, values = _run(tmp_path, [*WORDS[:80], *(f"raise {n}" for n in range(20))])
    assert sum("error" in values[id_] for id_ in ids) == 20


def test_damage_is_a_pictures_own_as_long_as_another_can_be_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(measurements, "SHARD", 20)
    words = [*WORDS[:2], *(f"unreadable {n}" for n in range(60))]
    for _ in range(2):
        ids, values = _run(tmp_path, words)
        assert sum("error" in values[id_] for id_ in ids) == 60
    # Nor does it count against what raises later.
    _run(tmp_path, [*words, *(f"raise {n}" for n in range(20))])


def test_what_needs_a_reader_is_not_kept_and_most_of_them_are_an_operators_fault(tmp_path, log):
    ids, values = _run(tmp_path, [*WORDS[:9], "needs 0"])
    assert values[ids[-1]] == {"error": "It cannot be read here.", "needs": "a reader"}
    _run(tmp_path, [*WORDS[:9], "needs 0"])
    assert poison.counted(log)[10:] == ["needs 0"]
    with pytest.raises(DataError, match=r"8 of the first 8 pictures.*cannot be read here"):
        _run(tmp_path, [f"needs {n}" for n in range(20)], name="test/2")


def test_kept_errors_stop_the_next_run_too(tmp_path, log):
    words = [f"unreadable {n}" for n in range(40)]
    for _ in range(2):
        with pytest.raises(DataError, match="40 of the first 40 pictures"):
            _run(tmp_path, words)
    assert len(poison.counted(log)) == 40


def test_a_missing_picture_is_a_sentence(tmp_path):
    with pytest.raises(StoreError, match="There is no picture"):
        measured(tmp_path, "test/1", ["0" * 32], tmp_path, "poison:measure", engine=inline)


def test_the_breaker_at_its_thresholds():
    few, enough = ["x."] * (AT_LEAST - 1), ["x."] * AT_LEAST
    stop_if_most_fail("calls", few, AT_LEAST - 1)
    stop_if_most_fail("calls", enough, 2 * AT_LEAST)
    with pytest.raises(DataError, match=r"8 of the first 15 calls failed.*8 failed with: x\."):
        stop_if_most_fail("calls", enough, 2 * AT_LEAST - 1)
    with pytest.raises(DataError, match=r"8 of the first 15 calls failed.*1 failed with: x\."):
        stop_if_most_fail("calls", ["x."], 2 * AT_LEAST - 1, earlier=AT_LEAST - 1)
    stop_if_most_fail("calls", [], 10, earlier=10)  # it was stopped for these, or it was right
