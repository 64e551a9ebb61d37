import csv
from functools import partial

import pytest

from haiga.curation import review
from haiga.curation.review import Decision, Entry, key_of, read
from haiga.errors import DataError

write = partial(review.write, own=lambda task: task != "safety")


def entry(text: str = "a red boat") -> Entry:
    key = key_of(["p" * 32], "describe", text)
    measured = {"similarity": 0.23111, "enter": 0.28, "reject": None}
    return Entry(key, "00_raw/pictures/pp/p.jpg", "describe", text, measured, "between the gates")


def decide(path, *, decision: str, reason: str = "", delimiter: str = ",") -> None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0] |= {"decision": decision, "reason": reason}
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def test_what_is_listed_waits_and_what_is_decided_comes_back(tmp_path):
    path = tmp_path / "review.csv"
    assert read(path) == {}
    assert write(path, [entry(), entry('雪の朝,\n"鶴"')]) == 2
    assert read(path) == {}
    decide(path, decision="Accept ", reason="it is red")
    assert read(path) == {entry().key: Decision(True, "it is red", "describe")}
    # What is decided waits no more and stays; the other line is as it was.
    assert write(path, [entry(), entry('雪の朝,\n"鶴"')]) == 1
    assert read(path) == {entry().key: Decision(True, "it is red", "describe")}
    assert write(path, []) == 0
    assert read(path) == {entry().key: Decision(True, "it is red", "describe")}


def test_a_list_of_nothing_is_no_file(tmp_path):
    path = tmp_path / "review.csv"
    write(path, [entry()])
    assert write(path, []) == 0
    assert not path.exists()


def test_a_spreadsheet_may_write_semicolons(tmp_path):
    path = tmp_path / "review.csv"
    write(path, [entry()])
    decide(path, decision="reject", delimiter=";")
    assert read(path) == {entry().key: Decision(False, "", "describe")}


@pytest.mark.parametrize(
    ("decision", "reason", "says"),
    [("yes", "", "row 2: the decision 'yes'"), ("accept", " ", "row 2: it is accepted without")],
)
def test_a_decision_that_cannot_be_read_is_named(tmp_path, decision, reason, says):
    path = tmp_path / "review.csv"
    write(path, [entry()])
    decide(path, decision=decision, reason=reason)
    with pytest.raises(DataError, match=says):
        read(path)


def test_another_file_is_no_list(tmp_path):
    path = tmp_path / "review.csv"
    path.write_text("name,age\n", encoding="utf-8")
    with pytest.raises(DataError, match="no column key, picture"):
        read(path)
    path.write_bytes("é".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        read(path)


def test_what_waits_of_another_kind_is_not_forgotten(tmp_path):
    path = tmp_path / "review.csv"
    write(path, [entry()])
    unsafe = Entry("k" * 16, "00_raw/pictures/pp/p.jpg", "safety", "", {}, "nsfw 0.9")
    assert review.write(path, [unsafe], lambda task: task == "safety") == 1
    assert review.count(path) == 2
    assert write(path, []) == 0
    assert review.count(path) == 1
