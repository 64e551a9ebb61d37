import gzip
import sys
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.text import english
from haiga.text.english import syllables, word

# Counted by hand from common speech; none of these words is in the table.
UNKNOWN = {
    "whitecaps": 2, "sickbed": 2, "hokusai": 3, "shamisen": 3, "hiroshige": 4, "basho": 2,
    "inkstone": 2, "snowmelt": 2, "dragonflies": 3, "paperlike": 3, "dusklight": 2, "unmoored": 2,
    "foxes'": 2, "egret's": 2, "blossom's": 2, "wisteria": 4,
}  # fmt: skip


@pytest.mark.parametrize(("spelling", "count"), UNKNOWN.items())
def test_unknown_words_are_read_by_inflection_compound_or_rule(spelling, count):
    assert spelling not in english._table()
    assert syllables(spelling) == {count}


@pytest.mark.parametrize("spelling", ["fire", "hour"])
def test_words_of_one_or_two(spelling):
    assert syllables(spelling) == {1, 2}


def test_a_line_can_have_several_counts():
    assert syllables("every hour, fire") == {4, 5, 6, 7}


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("An old silent pond", 5),
        ("A frog jumps into the pond—", 7),
        ("Splash! Silence again.", 5),
        ("o’er the moon-lit sea", 5),
        ("‘tis o'er", 2),
        ("at 7 a.m.", 5),
        ("7:05", 4),
        ("10:00", 1),
        ("the 21st", 4),
        ("the 20th", 4),
        ("1999", 5),
        ("1,999", 9),
        ("3.5%", 5),
        ("NT", 2),
        ("WWF", 7),
        ("café", 2),
        ("bread & tea", 3),
        ("—…!", 0),
        ("月", 0),
    ],
)
def test_lines(line, count):
    assert syllables(line) == {count}


def test_torii_is_two_or_three():
    assert syllables("torii") == {2, 3}


@given(st.text(max_size=40), st.text(max_size=40))
def test_lines_add_up(left, right):
    together = {a + b for a in syllables(left) for b in syllables(right)}
    assert syllables(left + "\n" + right) == together


@given(st.from_regex("[a-z]{1,15}", fullmatch=True))
def test_every_word_has_a_syllable(spelling):
    assert min(word(spelling)) >= (spelling != "th")  # th' leans on the word that it stands before


def test_held_out_words_of_the_table_are_mostly_read_right(monkeypatch):
    table = dict(english._table())
    held_out = [each for each in sorted(table) if len(each) > 4 and "'" not in each][::61]
    monkeypatch.setattr(english, "_table", lambda: table)
    english.word.cache_clear()
    hits = 0
    for each in held_out:
        truth = table.pop(each)
        hits += bool(english.word(each) & truth)
        table[each] = truth
    english.word.cache_clear()
    assert len(held_out) > 1500
    assert hits / len(held_out) > 0.90


def test_the_table_ships_with_its_licence():
    data = resources.files("haiga.text").joinpath("data")
    assert "Carnegie Mellon University" in data.joinpath("LICENSE-cmudict.txt").read_text()
    packed = data.joinpath("syllables.txt.gz").read_bytes()
    assert len(packed) < 450_000 < len(gzip.decompress(packed))


def test_the_builder_counts_vowels():
    sys.path.insert(0, str(resources.files("haiga.text").joinpath("data")))
    try:
        from build_syllables import counts
    finally:
        sys.path.pop(0)
    lines = ["fire F AY1 ER0", "fire(2) F AY1 R", "pond P AA1 N D # a comment", "3d D"]
    assert counts(lines) == {"fire": {1, 2}, "pond": {1}}
