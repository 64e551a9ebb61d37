import pytest

from haiga.curation.breaker import AT_LEAST, stop_if_most_fail
from haiga.curation.measurements import measured
from haiga.errors import DataError, StoreError
from haiga.store import PictureFiles

PICTURES = {f"p{n}": bytes([n]) for n in range(100)}


class Counting:
    """Measures the first byte, and knows how often it did."""

    def __init__(self, fails=lambda value: False):
        self.seen, self._fails = [], fails

    def __call__(self, data):
        self.seen.append(data[0])
        if self._fails(data[0]):
            raise RuntimeError("a strange picture")
        return {"value": data[0]}


def _run(folder, measure, ids=PICTURES, name="test/1", **options):
    return measured(folder, name, ids, PICTURES, measure, **options)


def test_what_is_known_is_not_measured_again(tmp_path):
    first, again, more = Counting(), Counting(), Counting()
    assert _run(tmp_path, first, list(PICTURES)[:70])["p7"] == {"value": 7}
    assert sorted(first.seen) == list(range(70))
    values = _run(tmp_path, again, list(PICTURES)[:70])
    assert again.seen == []
    assert values["p69"] == {"value": 69}
    assert list(_run(tmp_path, more)) == list(PICTURES)
    assert sorted(more.seen) == list(range(70, 100))


def test_another_version_measures_anew(tmp_path):
    _run(tmp_path, Counting(), ["p1"])
    other = Counting()
    _run(tmp_path, other, ["p1"], name="test/2")
    assert other.seen == [1]


def test_a_picture_named_twice_is_measured_once(tmp_path):
    measure = Counting()
    assert list(_run(tmp_path, measure, ["p1", "p2", "p1"])) == ["p1", "p2"]
    assert sorted(measure.seen) == [1, 2]


def test_a_line_cut_off_by_a_kill_costs_one_picture(tmp_path):
    _run(tmp_path, Counting())
    path = tmp_path / "test-1.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    measure = Counting()
    _run(tmp_path, measure)
    assert len(measure.seen) == 1
    last = Counting()
    _run(tmp_path, last)
    assert last.seen == []


def test_progress_ends_at_the_number_of_pictures(tmp_path):
    steps = []
    _run(tmp_path, Counting(), list(PICTURES)[:10])
    _run(tmp_path, Counting(), progress=steps.append)
    assert (steps[0], sum(steps)) == (10, 100)


def test_one_strange_picture_costs_itself_and_is_tried_again(tmp_path):
    values = _run(tmp_path, Counting(lambda value: value == 13))
    assert values["p13"] == {"error": "Measuring failed with RuntimeError: a strange picture."}
    assert sum("error" in each for each in values.values()) == 1
    mended = Counting()
    assert _run(tmp_path, mended)["p13"] == {"value": 13}
    assert mended.seen == [13]


def test_the_same_failure_on_most_is_an_operators_fault(tmp_path):
    measure = Counting(lambda value: value > 20)
    with pytest.raises(DataError, match=r"43 of the first 64 pictures.*RuntimeError: a strange"):
        _run(tmp_path, measure)
    assert max(measure.seen) == 63  # the rest was not tried


def test_kept_errors_stop_the_next_run_too(tmp_path):
    seen = []

    def broken(data):
        seen.append(data)
        return {"error": "It cannot be read."}

    for _ in range(2):
        with pytest.raises(DataError, match="64 of the first 64 pictures"):
            _run(tmp_path, broken)
    assert len(seen) == 64


def test_a_missing_picture_is_a_sentence(tmp_path):
    with pytest.raises(StoreError, match="There is no picture"):
        measured(tmp_path, "test/1", ["0" * 32], PictureFiles(tmp_path), Counting())


def test_the_breaker_at_its_thresholds():
    few, enough = ["x."] * (AT_LEAST - 1), ["x."] * AT_LEAST
    stop_if_most_fail("calls", few, AT_LEAST - 1)
    stop_if_most_fail("calls", enough, 2 * AT_LEAST)
    with pytest.raises(DataError, match=r"8 of the first 15 calls failed.*8 failed with: x\."):
        stop_if_most_fail("calls", enough, 2 * AT_LEAST - 1)
