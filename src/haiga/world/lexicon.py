"""The words by which the things, seasons, settings, hours and weathers of the world are named.

No word belongs to two names, in any kind, so that a word found in a text names one thing only. A
name's first form is the word of plain captions. A season's forms are its name and its season
words (kigo). Left out are words that are more often something else: "fall", and kana of
two letters that hide inside other words (なつ in なつかしい, とう in とうろう).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from haiga.errors import DataError

_ENGLISH: Final = {
    "things": {
        "boat": "boat boats ship ships skiff skiffs",
        "bridge": "bridge bridges footbridge",
        "crane": "crane cranes heron herons",
        "pine": "pine pines pine_tree pine_trees",
        "moon": "moon moons moonlight moonlit",
        "lantern": "lantern lanterns lamp lamps",
        "torii": "gate gates torii shrine_gate",
        "umbrella": "umbrella umbrellas parasol parasols",
        "willow": "willow willows",
        "cat": "cat cats kitten",
        "kite": "kite kites",
        "bamboo": "bamboo bamboos",
        "pagoda": "pagoda pagodas tower towers",
        "carp": "carp carps koi",
        "horse": "horse horses pony ponies",
        "butterfly": "butterfly butterflies",
        "frog": "frog frogs toad toads",
        "fan": "fan fans",
        "drum": "drum drums",
        "crow": "crow crows raven ravens",
    },
    "seasons": {
        "spring": "spring springtime blossom blossoms cherry plum",
        "summer": "summer summertime cicada cicadas lotus heat",
        "autumn": "autumn autumnal maple maples red_leaves harvest",
        "winter": "winter wintry snow snows snowy frost frosty ice icy",
    },
    "settings": {
        "sea": "sea seas ocean shore shores seashore waves tide coast beach",
        "river": "river rivers riverbank stream streams brook",
        "mountain": "mountain mountains peak peaks slope slopes hill hills",
        "village": "village villages town hamlet",
        "garden": "garden gardens yard courtyard",
        "field": "field fields meadow meadows paddy paddies",
    },
    "hours": {
        "dawn": "dawn sunrise daybreak morning",
        "day": "day noon midday daylight afternoon",
        "dusk": "dusk twilight nightfall sunset evening",
        "night": "night midnight nighttime",
    },
    "weathers": {
        "clear": "clear cloudless sunny",
        "rain": "rain rains rainy raining drizzle",
        "mist": "mist mists misty fog foggy haze",
        "wind": "wind winds windy breeze gust gusts",
    },
}

_JAPANESE: Final = {
    "things": {
        "boat": "舟 船 小舟 ふね",
        "bridge": "橋 石橋",
        "crane": "鶴 ツル",
        "pine": "松 松の木",
        "moon": "月 満月 三日月 お月様",
        "lantern": "提灯 灯籠 ちょうちん とうろう",
        "torii": "鳥居 とりい",
        "umbrella": "傘 番傘 唐傘",
        "willow": "柳 やなぎ",
        "cat": "猫 ねこ ネコ 子猫",
        "kite": "凧 奴凧",
        "bamboo": "竹 竹林 竹やぶ",
        "pagoda": "塔 五重塔 五重の塔",
        "carp": "鯉 緋鯉",
        "horse": "馬 ウマ 子馬",
        "butterfly": "蝶 蝶々 ちょうちょ",
        "frog": "蛙 かわず カエル",
        "fan": "扇 おうぎ 扇子 団扇 うちわ",
        "drum": "太鼓 たいこ 鼓",
        "crow": "烏 鴉 からす カラス",
    },
    "seasons": {
        "spring": "春 桜 さくら 梅",
        "summer": "夏 蝉 せみ 青葉 蓮",
        "autumn": "秋 もみじ 紅葉 すすき 菊",
        "winter": "冬 雪 霜 氷",
    },
    "settings": {
        "sea": "海 海辺 浜 波",
        "river": "川 川辺 川べ 川岸 河",
        "mountain": "山 山道 峰",
        "village": "里 村 村里 里道",
        "garden": "庭 庭先 庭さき",
        "field": "野 野辺 野原 田",
    },
    "hours": {
        "dawn": "朝 夜明け 明け方 暁",
        "day": "昼 真昼 日中",
        "dusk": "夕 夕暮れ 夕方 夕べ 日暮れ",
        "night": "夜 よる 夜中 真夜中",
    },
    "weathers": {
        "clear": "晴れ 晴天 快晴 空晴れて",
        "rain": "雨 小雨",
        "mist": "霧 もや 霞",
        "wind": "風 そよ風",
    },
}


def _frozen(table: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType(
        {
            name: tuple(form.replace("_", " ") for form in forms.split())
            for name, forms in table.items()
        }
    )


LEXICONS: Final = {
    (language, kind): _frozen(table)
    for language, kinds in (("en", _ENGLISH), ("ja", _JAPANESE))
    for kind, table in kinds.items()
}


def lexicon(language: str, kind: str) -> Mapping[str, tuple[str, ...]]:
    """Canonical name -> surface forms of one kind of word.

    Args:
        language: "en" or "ja". English forms are lowercase; a form may hold a space.
        kind: "things", "seasons", "settings", "hours" or "weathers".

    Raises:
        DataError: for any other language or kind.
    """
    if (language, kind) not in LEXICONS:
        known = ", ".join(f"{language}/{kind}" for language, kind in LEXICONS)
        raise DataError(f"There is no lexicon {language}/{kind}; choose one of: {known}.")
    return LEXICONS[language, kind]
