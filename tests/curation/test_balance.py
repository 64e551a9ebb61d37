import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.curation.balance import balanced, count, in_expectation, realised, strictly
from haiga.curation.concepts import Seeing, from_list, from_terms
from haiga.errors import DataError, RecipeError

BLIND = Seeing(lambda name: pytest.fail("nothing is to be seen here"), {}, 0)
ROWS = st.lists(st.frozensets(st.sampled_from("abcdef"), max_size=3), max_size=40)


@given(ROWS, st.integers(1, 10), st.integers(0, 5))
def test_a_strict_cap_is_never_passed_and_every_rarity_that_fits_is_taken(rows, cap, seed):
    kept = strictly(rows, cap, seed)
    after = count([own for own, stays in zip(rows, kept, strict=True) if stays])
    assert max(after.values(), default=0) <= cap
    for own, stays in zip(rows, kept, strict=True):
        assert stays or not own or any(after[name] == cap for name in own)


@given(ROWS, st.integers(1, 10), st.integers(0, 5))
def test_a_row_with_a_concept_under_the_cap_always_stays_in_expectation(rows, cap, seed):
    counts = count(rows)
    for own, stays in zip(rows, in_expectation(rows, cap, seed), strict=True):
        assert stays or not any(counts[name] <= cap for name in own)
        assert own or not stays


def test_in_expectation_a_concept_alone_is_thinned_to_the_cap_and_with_company_ends_above():
    alone = [{"boat"}] * 10_000
    assert sum(in_expectation(alone, 1000, 0)) == pytest.approx(1000, abs=100)  # 3.3 sd
    # Every boat comes with one of 2,000 rare things, and any concept is enough.
    company = [{"boat", f"thing {at // 5}"} for at in range(10_000)]
    assert sum(in_expectation(company, 1000, 0)) == 10_000
    assert sum(strictly(company, 1000, 0)) == 1000


def test_the_same_seed_keeps_the_same_rows():
    rows = [{"boat", "moon"} if at % 2 else {"boat"} for at in range(100)]
    assert in_expectation(rows, 10, 1) == in_expectation(rows, 10, 1)
    assert in_expectation(rows, 10, 1) != in_expectation(rows, 10, 2)
    assert strictly(rows, 10, 1) != strictly(rows, 10, 2)


def test_what_came_of_the_cap_is_counted():
    rows = [{"a"}, {"a"}, {"a", "b"}, {"b"}, set()]
    found = realised(rows, [True, True, True, False, True], 2)
    assert found["head"] == [("a", 3, 3, 1.5)]
    assert (found["above_cap_before"], found["above_cap_after"], found["worst"]) == (1, 1, 1.5)
    assert (found["rows"], found["kept"], found["without_concept"]) == (5, 4, 1)


def test_rows_without_a_concept_are_kept_or_dropped():
    rows, concepts = ["r0", "r1", "r2"], [{"a"}, set(), {"a"}]
    out, found = balanced(rows, concepts, "strict", cap=1, keep_unmatched=True, seed=0)
    assert list(out.values()) == ["over the cap of its concepts"]
    assert found["kept"] == 2
    out, found = balanced(rows, concepts, "strict", cap=2, keep_unmatched=False, seed=0)
    assert out == {"r1": "has no concept"}
    assert found["method"] == "strict"


def test_entries_of_a_list_are_whole_words_and_may_lie_in_each_other(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("red boat\n\nboat\n舟\n", encoding="utf-8")
    texts = ["A Red Boat.", "boats and rowboats", "月と舟が", "the boathouse: a boat", ""]
    found = from_list([], texts, BLIND, names=("Moon",), path=str(path))
    assert found == [{"red boat", "boat"}, set(), {"舟"}, {"boat"}, set()]


def test_a_list_must_be_there_and_hold_something(tmp_path):
    with pytest.raises(RecipeError, match="the list is empty"):
        from_list([], [], BLIND)
    with pytest.raises(DataError, match="cannot be read"):
        from_list([], [], BLIND, path=str(tmp_path / "none.txt"))


def test_terms_are_concepts_where_some_rows_have_them_and_not_most():
    texts = ["print boat", "print boat", "print moon", "print pine", "print"]
    found = from_terms([{}] * 5, texts, BLIND, minimum=2)
    assert found == [{"boat"}, {"boat"}, set(), set(), set()]
