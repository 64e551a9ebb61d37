from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.store import rows
from haiga.store.rows import Rows
from haiga.store.tables import write_rows


def _stored(folder, sizes):
    wanted, paths = [], []
    for number, size in enumerate(sizes):
        some = [{"id": f"{number}-{at}", "only" if number % 2 else "n": at} for at in range(size)]
        paths.append(folder / f"{number:05d}.parquet")
        write_rows(paths[-1], some)
        wanted += some
    names = dict.fromkeys(name for row in wanted for name in row)
    return Rows(paths), [{name: row.get(name) for name in names} for row in wanted]


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), max_size=6), st.data())
def test_rows_are_those_of_a_list(tmp_path_factory, sizes, data):
    found, wanted = _stored(tmp_path_factory.mktemp("rows"), sizes)
    assert (len(found), list(found)) == (len(wanted), wanted)
    places = st.integers(-len(wanted) - 1, len(wanted))
    for at in data.draw(st.lists(places, max_size=12)):
        if -len(wanted) <= at < len(wanted):
            assert found[at] == wanted[at]
        else:
            with pytest.raises(IndexError, match=f"and none with number {at}"):
                found[at]
    part = slice(*data.draw(st.tuples(places, places)))
    assert found[part] == wanted[part]


def test_empty_files_are_passed_over(tmp_path):
    found, wanted = _stored(tmp_path, [0, 2, 0, 0, 1, 0])
    assert list(found) == [found[at] for at in range(3)] == wanted


def test_in_order_each_file_is_read_once(tmp_path):
    found, wanted = _stored(tmp_path, [4] * 5)
    with mock.patch.object(rows, "read_rows", wraps=rows.read_rows) as read:
        assert [found[at] for at in range(20)] == wanted
        assert read.call_count == 5
        found[0]
        assert read.call_count == 6
