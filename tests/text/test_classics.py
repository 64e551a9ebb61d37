"""How surely lines are counted: at their own count they are accepted, at a wrong one not."""

import importlib.util
from pathlib import Path

import pytest

from haiga.text import japanese
from haiga.text.classics import classics

_PATH = Path(__file__).parents[2] / "benchmarks" / "haiku_form.py"
_SPEC = importlib.util.spec_from_file_location("haiku_form", _PATH)
haiku_form = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(haiku_form)


def shares(language, state):
    """Of all poems: lines accepted at their own count, wrong counts accepted."""
    count, own, wrong = haiku_form.WAYS[language][state], [], []
    for poem in classics(language):
        for line, true in zip(poem.lines, poem.counts, strict=True):
            found = count(line) or frozenset()
            own.append(true in found)
            wrong += [true + by in found for by in haiku_form.WRONG[language]]
    return sum(own) / len(own), sum(wrong) / len(wrong)


def test_r9_english():
    own, wrong = shares("en", "pass")
    assert own >= 0.98
    assert wrong <= 0.02


@pytest.mark.skipif(japanese._tagger() is None, reason="needs the extra ja")
def test_r9_japanese():
    own, wrong = shares("ja", "pass")
    assert own >= 0.94
    assert wrong <= 0.06
    assert shares("ja", "possible")[1] <= 0.06


@pytest.mark.skipif(
    japanese._tagger() is None or japanese._talker() is None, reason="needs the extra ja-full"
)
def test_r9_japanese_by_two_readers():
    own, wrong = shares("ja", "pass")
    assert own >= 0.95
    assert wrong <= 0.06


def test_without_the_extra_a_reading_is_known_or_it_is_not(monkeypatch):
    for reader in ("_tagger", "_talker"):
        monkeypatch.setattr(japanese, reader, lambda: None)
    japanese._read_by_dictionary.cache_clear()
    try:
        own, wrong = shares("ja", "pass")
        assert own > 0.5
        assert wrong < 0.015
    finally:
        japanese._read_by_dictionary.cache_clear()


@pytest.mark.parametrize("language", ["en", "ja"])
def test_poems_have_a_count_for_every_line(language):
    poems = classics(language)
    assert len(poems) > 30
    assert {poem.fresh for poem in poems} == {True, False}
    for poem in poems:
        assert len(poem.lines) == len(poem.counts), poem
        assert all(0 < count < 13 for count in poem.counts)
    assert len({poem.lines for poem in poems}) == len(poems)


def test_no_other_language_has_any():
    assert classics("fr") == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [("取つて", "取って"), ("いつぱい", "いっぱい"), ("教へけり", "教えけり"), ("食はれ", "食われ"),
     ("愁ひつつ", "愁いつつ"), ("植ゑて", "植えて"), ("食ふ", "食う"),
     ("拭はばや", "拭わばや"), ("思ひ出す", "思い出す"), ("煤払ひ", "煤払い"), ("衰へし", "衰えし"),
     ("洗ひをる", "洗いをる"), ("山ひとつ", "山ひとつ"), ("花ひらく", "花ひらく"),
     ("雪ふる", "雪ふる"), ("花は白し", "花は白し"), ("里へ行く", "里へ行く")],
)  # fmt: skip
def test_the_spelling_of_before_1946(old, new):
    assert japanese._plain(old) == new
