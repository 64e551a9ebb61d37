import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haiga.text import japanese
from haiga.text.japanese import bundled_readings, count_kana, morae


@pytest.fixture
def no_dictionary(monkeypatch):
    japanese._read_by_dictionary.cache_clear()
    for reader in ("_tagger", "_talker"):
        monkeypatch.setattr(japanese, reader, lambda: None)
    yield
    japanese._read_by_dictionary.cache_clear()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("きょう", 2),
        ("がっこう", 4),
        ("スーパー", 4),
        ("ファイル", 3),
        ("ティー", 2),
        ("にっぽん", 4),
        ("ちょうちん", 4),
        ("くゎし", 2),
        ("ｶﾞｯｺｳ", 4),
        ("やあ、はる！　", 4),
        ("すゞむし", 4),
        ("", 0),
    ],
)
def test_kana_are_counted_exactly(text, count, no_dictionary):
    assert morae(text) == {count}


def test_haiku_kanji_are_read_without_the_extra(no_dictionary):
    assert morae("古池や") == {5}
    assert morae("蛙飛びこむ") == {7}
    assert morae("水の音") == {5}
    assert morae("提灯と鳥居") == {8}


def test_the_longest_form_wins(no_dictionary):
    assert morae("鳥居", {"鳥": "とり", "居": "い", "鳥居": "とりいい"}) == {4}


def test_a_run_of_kanji_is_read_as_a_whole_or_not_at_all(no_dictionary):
    assert morae("月曜日") is None
    assert morae("光る") == {3}  # not ひかり and る


def test_cover_goes_back_from_a_dead_end(no_dictionary):
    assert morae("甲乙丙", {"甲乙": "あ", "甲": "い", "乙丙": "うう"}) == {3}


def test_every_reading_of_the_lexicon_counts(no_dictionary):
    assert morae("夜の夜", {"夜": "よる よ"}) == {3, 4, 5}


def test_what_is_put_together_may_be_one_word(monkeypatch):
    """海苔 is no 海 and 苔: a dictionary reads it as well, where the lexicon has only its parts."""
    japanese._read_by_dictionary.cache_clear()
    token = {"string": "海苔", "read": "ノリ"}
    monkeypatch.setattr(japanese, "_tagger", lambda: None)
    monkeypatch.setattr(japanese, "_talker", lambda: lambda text: [token])
    parts = {"海": "うみ", "苔": "こけ"}
    monkeypatch.setattr(japanese, "bundled_readings", lambda: parts)
    assert morae("海苔") == {2, 4}
    assert morae("海苔", parts) == {4}  # whoever brings readings knows better
    japanese._read_by_dictionary.cache_clear()


def test_two_readers_may_differ(monkeypatch):
    japanese._read_by_dictionary.cache_clear()
    said = {"日本": "ニッポン", "は": "ワ", "、": "、"}
    monkeypatch.setattr(japanese, "_tagger", lambda: None)
    monkeypatch.setattr(
        japanese,
        "_talker",
        lambda: lambda t: [{"string": x, "read": said[x]} for x in said if x in t],
    )
    assert morae("日本は", {}) == {5}
    assert japanese._kana("憂", "") is None
    assert japanese._kana("です", "デス’") == "です"
    japanese._read_by_dictionary.cache_clear()


def test_readings_may_name_anything_but_kana(no_dictionary):
    assert morae("SL の夜", {"SL": "えすえる", "夜": "よ"}) == {6}


@pytest.mark.parametrize("text", ["憂鬱", "7", "ABC", "三時半"])
def test_what_cannot_be_read_is_none(text, no_dictionary):
    assert morae(text) is None


@pytest.mark.parametrize(
    ("digits", "kanji"),
    [("7", "七"), ("10", "十"), ("21", "二十一"), ("1999", "千九百九十九"), ("0", "〇"),
     ("05", "〇五"), ("12345", "一二三四五")],
)  # fmt: skip
def test_numerals(digits, kanji):
    assert japanese._numeral(digits) == kanji


def test_bundled_readings_are_kanji_to_kana():
    readings = bundled_readings()
    assert len(readings) > 900
    for surface, kana in readings.items():
        assert not re.match("[ぁ-ゖァ-ヺー]", surface), surface
        assert re.fullmatch("[ぁ-ゖー]+(?: [ぁ-ゖー]+)*", kana), surface
    floating_world = "月 舟 橋 鶴 松 提灯 鳥居 傘 柳 猫 凧 竹 塔 鯉 馬 蝶 蛙 扇 太鼓 烏 春 夏 秋 冬"
    assert set(floating_world.split()) <= set(readings)


@given(st.text("あいきしょっんーカァ、 　", max_size=30), st.text("ぼゃュー", max_size=10))
def test_kana_add_up(left, right):
    assert count_kana(left) + count_kana(right) == count_kana(left + right)
    assert morae(left) == {count_kana(left)}


@pytest.mark.skipif(japanese._tagger() is None, reason="needs the extra ja")
def test_the_dictionary_reads_what_the_lexicon_does_not_hold():
    assert 9 in morae("東京は憂鬱")
    assert 5 in morae("法隆寺")
