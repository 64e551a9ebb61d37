import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.curation.split import split, together
from haiga.errors import DataError


def _count(where: list[str]) -> dict[str, int]:
    return {name: where.count(name) for name in ("held_out", "validation", "train")}


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=12),
    st.integers(0, 10),
    st.integers(0, 10),
    st.integers(0, 2**32),
)
@settings(deadline=None)
def test_sizes_are_exact_and_clusters_stay_whole(shapes, held_out, validation, seed):
    clusters = [f"c{n}" for n, size in enumerate(shapes) for _ in range(size)]
    clusters += [f"single{n}" for n in range(21)]
    where = split(clusters, {"held_out": held_out, "validation": validation}, seed)
    assert _count(where)["held_out"] == held_out
    assert _count(where)["validation"] == validation
    side = dict(zip(clusters, where, strict=True))
    assert [side[cluster] for cluster in clusters] == where


def test_seed_42_is_written_down():
    clusters = [f"{n:02d}" for n in range(12)]
    sizes = {"held_out": 3, "validation": 2}
    where = split(clusters, sizes, 42)
    assert [n for n, name in enumerate(where) if name == "held_out"] == [0, 6, 7]
    assert split(clusters, sizes, 42) == where
    assert split(clusters, sizes, 43) != where


def test_the_order_of_rows_changes_nothing():
    clusters = [f"{n % 9}" for n in range(30)]
    sizes = {"held_out": 7, "validation": 0}
    one = dict(zip(clusters, split(clusters, sizes, 1), strict=True))
    other = dict(zip(clusters[::-1], split(clusters[::-1], sizes, 1), strict=True))
    assert one == other


def test_the_held_out_do_not_depend_on_the_validation():
    clusters = [f"{n}" for n in range(30)]
    few = split(clusters, {"held_out": 7, "validation": 1}, 3)
    many = split(clusters, {"held_out": 7, "validation": 9}, 3)
    assert [a == "held_out" for a in few] == [b == "held_out" for b in many]


def test_too_few_rows_are_a_sentence():
    with pytest.raises(
        DataError, match=r"asks for 5 rows \(held_out = 4, validation = 1\).*only 5"
    ):
        split(list("abcde"), {"held_out": 4, "validation": 1}, 0)


def test_a_split_that_cannot_be_filled_is_a_sentence():
    with pytest.raises(DataError, match=r"held_out = 1 rows are missing"):
        split(["a", "a", "b", "b", "c", "c"], {"held_out": 3}, 0)


def test_clusters_that_share_a_series_are_one():
    rows = [("a", "film"), ("b", ""), ("c", "film"), ("c", "reel"), ("d", "reel"), ("e", "")]
    found = together(rows)
    assert len({found[at] for at in (0, 2, 3, 4)}) == 1
    assert len(set(found)) == 3
    assert together([("a", ""), ("b", "")]) == ["a", "b"]
