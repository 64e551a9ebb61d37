"""Tables as they come: one bad row costs one row, a bad file is a sentence."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from haiga.errors import DataError
from haiga.sources import rows as room
from haiga.sources.rows import meta_of, read_table, rows_of


def _read(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_table(path))


def test_a_json_list_of_what_arrow_cannot_mix(tmp_path):
    rows = [{"id": "1", "image": "a"}, {"id": 2}, {"id": "3", "image": ["a", "b"]}]
    with pytest.raises(pa.ArrowException):
        pa.array([row.get("image") for row in rows])
    assert _read(tmp_path / "a.json", json.dumps(rows, indent=1)) == rows


def test_a_comma_too_many_is_forgiven_as_the_documents_own_sample_has_one(tmp_path):
    assert _read(tmp_path / "a.json", '[{"a": 1}, {"b": 2},\n]') == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 50])
def test_a_list_is_read_in_pieces(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(room, "_CHUNK", chunk)
    rows = [{"a": "舟 [}", "b": [1, {"c": None}]}, {}, {"d": 1.5}]
    if chunk < 3:  # the file may begin with blanks, and its first piece must not be one
        assert _read(tmp_path / "a.json", json.dumps(rows)) == rows
    assert _read(tmp_path / "b.json", json.dumps(rows, ensure_ascii=False)) == rows


def test_a_list_that_was_cut_off_gives_its_rows_and_then_a_sentence(tmp_path):
    (tmp_path / "a.json").write_text('[{"a": 1}, {"a": ')
    reading = read_table(tmp_path / "a.json")
    assert next(reading) == {"a": 1}
    with pytest.raises(DataError, match=r"is not JSON to its end.*was cut off"):
        next(reading)


def test_a_row_that_breaks_a_list_is_not_read_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_LONGEST", 100)
    monkeypatch.setattr(room, "_CHUNK", 64)
    with pytest.raises(DataError, match="a row in it is broken"):
        _read(tmp_path / "a.json", '[{"a": oops}' + ',{"a": 1}' * 1000 + "]")


def test_lines_called_json_are_lines(tmp_path):
    assert _read(tmp_path / "a.json", '{"a": 1}\n{"a": 2}\n') == [{"a": 1}, {"a": 2}]
    with pytest.raises(DataError, match="neither a JSON list of rows nor a row on each line"):
        _read(tmp_path / "b.json", '{\n "data": []}')


def test_bad_lines_cost_themselves(tmp_path):
    text = '{"a": "x\u2028y"}\n\n{broken\n[1]\n' + "[" * 100_000 + '\n{"a": 2}'
    assert _read(tmp_path / "a.jsonl", text) == [
        {"a": "x\u2028y"},
        "not JSON",
        "not a JSON object",
        "not JSON",
        {"a": 2},
    ]


def test_csv_fields_hold_lines_and_a_mark_at_the_beginning(tmp_path):
    text = '\ufeffname,text\n1,"two\nlines, one comma"\n2\n3,4,5\n'
    assert _read(tmp_path / "a.csv", text) == [
        {"name": "1", "text": "two\nlines, one comma"},
        "not as many fields as the table has columns",
        "not as many fields as the table has columns",
    ]


def test_a_pointer_is_not_the_file(tmp_path):
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 232531366\n"
    with pytest.raises(DataError, match="is not the file but a Git LFS pointer"):
        _read(tmp_path / "a.csv", text)


def test_damage_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"a\.parquet cannot be read"):
        _read(tmp_path / "a.parquet", b"PAR1 no")
    with pytest.raises(DataError, match=r"a\.jsonl cannot be read"):
        _read(tmp_path / "a.jsonl", b'{"a": "caf\xe9"}')
    with pytest.raises(DataError, match="no table that can be read"):
        _read(tmp_path / "a.xls", b"")


def test_rows_are_called_by_file_and_number(tmp_path):
    for name in ("b/part.jsonl", "a/part.jsonl"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text('{"n": 1}\n{"n": 2}\n')
    whole = list(rows_of(str(tmp_path)))
    assert [place for place, _ in whole] == [
        "a/part.jsonl:1",
        "a/part.jsonl:2",
        "b/part.jsonl:1",
        "b/part.jsonl:2",
    ]
    assert list(rows_of(str(tmp_path / "*" / "part.jsonl"))) == whole
    for skip in range(5):
        assert list(rows_of(str(tmp_path), skip)) == whole[skip:]
    assert next(rows_of(str(tmp_path / "a/part.jsonl")))[0] == "part.jsonl:1"
    with pytest.raises(DataError, match="There is nothing to read at"):
        next(rows_of(str(tmp_path / "c")))


def test_parquet_rows_come_in_small_batches(tmp_path):
    table = pa.table({"n": list(range(40)), "image": [{"bytes": b"x", "path": None}] * 40})
    pq.write_table(table, tmp_path / "a.parquet")
    rows = list(read_table(tmp_path / "a.parquet"))
    assert [row["n"] for row in rows] == list(range(40))
    assert rows[0]["image"] == {"bytes": b"x", "path": None}


def test_what_a_row_says_besides():
    row = {"text": "t", "license": "CC0", "empty": "", "none": None, "image": {"bytes": b""}}
    assert meta_of(row, ["text"], {"license": "PD", "source": "attic"}) == {
        "licence": "CC0",
        "source": "attic",
    }
