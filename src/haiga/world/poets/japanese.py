"""The grammar of the Japanese haiku, and the one reading that each of its kanji words has.

Words with two current readings are written in kana (もみじ, さくら, よる), so that the kana of a
whole poem, and with it its morae, are certain without a dictionary.
"""

from __future__ import annotations

import re
from typing import Final

from haiga.world.poets.japanese_phrases import READINGS, TABLES
from haiga.world.poets.lines import Grammar

_SMALL: Final = frozenset("ぁぃぅぇぉゃゅょゎァィゥェォャュョヮ")
_KANJI: Final = re.compile("[一-龠々]")
_WORDS: Final = re.compile("|".join(sorted(READINGS, key=len, reverse=True)))


def reading(poem: str) -> str:
    """The kana of a poem of this grammar; ValueError where it holds a word without a reading."""
    kana = _WORDS.sub(lambda match: READINGS[match[0]], poem)
    if unread := _KANJI.search(kana):
        raise ValueError(f"{unread[0]} in {poem!r} has no reading in READINGS.")
    return kana


def morae(phrase: str) -> int:
    """Morae of a phrase of this grammar: its kana, less the small ones that join the one before."""
    return sum(kana not in _SMALL for kana in reading(phrase) if kana.isalpha())


_FREE: Final = {
    "mood": (
        "音もなく", "ただひとり", "なにもなし", "帰り道", "いきをのむ",
        "声もなし", "ひとやすみ", "もの思い", "しずけさよ", "さびしさよ", "旅の人", "道遠く",
        "昔かな", "夢を見て", "人しらず", "ただねむい", "名もなくて", "ひとり旅", "おもいでよ",
    ),
    "what": ("夢", "旅", "声", "道", "人", "友", "時"),
    "musing": (
        "だれもしらない", "ただしずかなる", "遠き道行く", "ひとり歩いて", "おもいでばかり",
        "なにもいわずに", "時は流れて", "ことばもなくて", "心しずかに", "夢を見ている",
        "だれかを待って", "昔を思う", "名前忘れて", "旅人ひとり", "道はつづいて",
        "人なき道よ", "帰る道なし", "眠りは深く",
    ),
}  # fmt: skip

_LINES: Final = {
    "season": (
        "{season:kigo}",
        "{season:kigo}",
        "{season:name}の{hour:hour}",
        "{season:name}の{weather:air}",
        "{season:name}深し",
        "{season:name}しずか",
        "{season:name}なれや",
        "{season:name}が来る",
        "{season:name}の夢",
        "{season:name}の音",
        "{season:name}の道",
        "{season:name}ひとり",
    ),
    "season_place": (
        "{season:name}の{setting:place}",
        "{season:name}の{setting:place}に",
        "{setting:place}に{season:name}",
        "{setting:place}は{season:name}",
        "{setting:place}も{season:name}",
        "{setting:place}や{season:name}",
    ),
    "season_comes": (
        "{setting:place}に{season:name}来る",
        "{setting:place}の{season:name}行く",
        "{setting:place}は{season:name}なり",
        "{season:name}の{setting:place}に",
        "{season:name}の{setting:place}は",
        "{season:name}深き{setting:place}",
        "{season:name}の{hour:hour}の{setting:place}",
    ),
    "thing": (
        "{X:np}{X:does}",
        "{X:np}{X:does}",
        "{X:np}かな",
        "{X:np}だけ",
        "{X:np}や",
        "{X:np}",
    ),
    "thing_last": (
        "{X:np}{X:does}",
        "{X:np}{X:does}",
        "{X:np}かな",
        "{X:np}だけ",
        "{X:np}も",
        "{X:np}",
    ),
    "thing_long": (
        "{X:np}{X:does}",
        "{X:np}{X:does}",
        "ただ{X:np}{X:does}",
        "そこに{X:np}{X:does}",
    ),
    "thing_where": (
        "{setting:place}の{X:noun}",
        "{setting:place}に{X:noun}",
        "{setting:place}に{X:noun}{X:does}",
    ),
    "thing_does_where": (
        "{setting:place}に{X:noun}{X:does}",
        "{setting:place}の{X:noun}{X:does}",
        "{setting:place}に{X:np}",
        "{setting:place}には{X:np}",
        "{setting:place}の{X:noun}かな",
        "{setting:place}の{X:noun}だけ",
        "{setting:place}の{X:noun}も",
        "{setting:place}に{X:noun}も",
    ),
    "pair": (
        "{X:noun}と{Y:noun}だけ",
        "{X:noun}と{Y:noun}かな",
        "{X:noun}と{Y:noun}あり",
        "{X:noun}と{Y:noun}と",
        "{X:noun}と{Y:np}",
        "{X:noun}、{Y:np}",
        "{X:noun}や{Y:noun}や",
        "{X:noun}{Y:noun}",
    ),
    "now": ("{mood}", "{hour:time}", "{hour:time}", "{weather:sky}", "{weather:sky}"),
    "mood": ("{mood}", "{mood}", "遠き{what}", "古き{what}"),
    "rest": ("{what}を待つ", "{what}のあと", "{what}もなく", "{what}なれや", "{what}ひとつ"),
    "musing": (
        "{musing}",
        "{musing}",
        "遠き{what}かな",
        "{what}を忘れて",
        "{what}を思えば",
        "だれかの{what}を",
        "ただ{what}だけを",
    ),
}

_STRUCTURES: Final = {
    0: (("mood", "musing", "rest"), ("rest", "musing", "mood")),
    1: (
        ("season", "thing_does_where:X", "now"),
        ("season_place", "thing_long:X", "now"),
        ("thing:X", "season_comes", "now"),
        ("now", "thing_does_where:X", "season"),
    ),
    2: (
        ("season", "thing_does_where:X", "thing_last:Y"),
        ("season_place", "thing_long:X", "thing_last:Y"),
        ("thing:X", "thing_does_where:Y", "season"),
        ("season_place", "pair:XY", "now"),
        ("thing:X", "season_comes", "thing_last:Y"),
        ("thing_where:X", "thing_long:Y", "season"),
    ),
    3: (
        ("season_place", "pair:XY", "thing_last:Z"),
        ("season_place", "pair:YZ", "thing_last:X"),
        ("season_place", "thing_long:X", "pair:YZ"),
    ),
}

GRAMMAR: Final = Grammar(
    count=morae,
    tables={**TABLES, **{name: {"": phrases} for name, phrases in _FREE.items()}},
    lines=_LINES,
    structures=_STRUCTURES,
    cut="",
)
