"""The words of the Japanese haiku: the reading of every kanji word, and phrases of each thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_READINGS: Final = """
舟/ふね 橋/はし 鶴/つる 松/まつ 月/つき 提灯/ちょうちん 鳥居/とりい 傘/かさ 柳/やなぎ 猫/ねこ
凧/たこ 竹/たけ 塔/とう 鯉/こい 馬/うま 蝶/ちょう 蛙/かえる 扇/おうぎ 太鼓/たいこ 烏/からす
春/はる 夏/なつ 秋/あき 冬/ふゆ 海/うみ 川/かわ 山/やま 里/さと 庭/にわ 野/の 蝉/せみ
野原/のはら 海辺/うみべ 山道/やまみち 里道/さとみち 野辺/のべ 朝/あさ 昼/ひる 夕/ゆう 雨/あめ
霧/きり 風/かぜ 空/そら 晴れ/はれ 梅/うめ 雪/ゆき 霜/しも 青葉/あおば 菊/きく 花/はな
古き/ふるき 白き/しろき 遠き/とおき 影/かげ 声/こえ 音/おと 道/みち 旅/たび 夢/ゆめ 人/ひと
心/こころ 時/とき 立つ/たつ 待つ/まつ 待って/まって 眠る/ねむる 眠り/ねむり 鳴く/なく 見て/みて
飛ぶ/とぶ 泳ぐ/およぐ 帰る/かえる 帰り/かえり 行く/ゆく 来る/くる 来て/きて 深し/ふかし
深く/ふかく 深き/ふかき 散る/ちる 咲く/さく 降る/ふる 昔/むかし 思い/おもい 思う/おもう
流れて/ながれて 歩いて/あるいて 忘れて/わすれて 旅人/たびびと 忘れもの/わすれもの 中/なか
名前/なまえ 名/な 遠く/とおく 友/とも 思えば/おもえば
"""
READINGS: Final = dict(pair.split("/") for pair in _READINGS.split())

_NOUNS: Final = {
    "boat": ("舟", "古き ちいさき"),
    "bridge": ("橋", "古き ちいさき"),
    "crane": ("鶴", "白き 遠き"),
    "pine": ("松", "古き 遠き"),
    "moon": ("月", "白き 遠き"),
    "lantern": ("提灯", ""),
    "torii": ("鳥居", "古き"),
    "umbrella": ("傘", "古き ちいさき"),
    "willow": ("柳", "古き"),
    "cat": ("猫", "ちいさき 白き"),
    "kite": ("凧", "遠き ちいさき"),
    "bamboo": ("竹", "古き 遠き"),
    "pagoda": ("塔", "古き 遠き"),
    "carp": ("鯉", "古き ちいさき"),
    "horse": ("馬", "白き 遠き"),
    "butterfly": ("蝶", "白き ちいさき"),
    "frog": ("蛙", "ちいさき"),
    "fan": ("扇", "古き"),
    "drum": ("太鼓", "古き"),
    "crow": ("烏", "遠き"),
}
_ALIVE: Final = (
    "がいる おり は眠る が眠る のいねむり はうごかず が見ている もひとり ひとり のけはい の影"
)
_OBJECT: Final = "あり ひとつ がひとつ ただひとつ もひとつ ひとつだけ のとなり の影 の忘れもの"
_TREE: Final = "立つ が立つ は眠る ゆれる がゆれる のゆらゆら もしずか はうごかず の影"
_TAILS: Final = {
    "boat": _OBJECT + " は眠る がゆれる ゆらゆら",
    "bridge": _OBJECT + " はうごかず は眠る",
    "crane": _ALIVE + " が立つ が鳴く",
    "pine": _TREE,
    "moon": "ひとつ ただひとつ はしずか が見ている のけはい の影 もひとり しずか",
    "lantern": "ひとつ ゆれる あり の影 しずか",
    "torii": _OBJECT + " 立つ はうごかず",
    "umbrella": _OBJECT + " がゆれる",
    "willow": _TREE,
    "cat": _ALIVE + " が鳴く",
    "kite": _OBJECT + " がゆれる ゆらゆら",
    "bamboo": _TREE,
    "pagoda": _OBJECT + " 立つ が立つ はうごかず",
    "carp": _ALIVE + " が泳ぐ",
    "horse": _ALIVE + " が立つ",
    "butterfly": _ALIVE + " が飛ぶ ひらひら",
    "frog": _ALIVE + " 鳴く が鳴く",
    "fan": _OBJECT + " ひらひら",
    "drum": _OBJECT + " は眠る",
    "crow": _ALIVE + " 鳴く が鳴く",
}
_PLACES: Final = {
    "sea": "海 海辺",
    "river": "川 川べ",
    "mountain": "山 山道",
    "village": "里 里道",
    "garden": "庭 庭さき",
    "field": "野 野辺 野原",
}


def _phrases(thing: str) -> tuple[str, ...]:
    noun, adjectives = _NOUNS[thing]
    return (noun, *(adjective + noun for adjective in adjectives.split()))


def _split(table: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(phrases.split()) for name, phrases in table.items()}


TABLES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "np": {thing: _phrases(thing) for thing in _NOUNS},
    "noun": {thing: (noun,) for thing, (noun, _) in _NOUNS.items()},
    "does": {thing: tuple(dict.fromkeys(tails.split())) for thing, tails in _TAILS.items()},
    "name": {"spring": ("春",), "summer": ("夏",), "autumn": ("秋",), "winter": ("冬",)},
    "kigo": _split(
        {
            "spring": "さくら散る さくら咲く さくらかな 梅の花 梅ひらく",
            "summer": "蝉しぐれ 蝉の声 蝉の鳴く 青葉かな 青葉ゆれ",
            "autumn": "もみじ散る もみじかな もみじゆれ すすきゆれ 菊の花",
            "winter": "雪つもる 雪しずか 雪の道 霜の花 雪の降る",
        }
    ),
    "place": _split(_PLACES),
    "hour": {
        "dawn": ("朝",),
        "day": ("昼",),
        "dusk": ("夕",),
        "night": ("よる",),
    },
    "air": {"clear": ("空",), "rain": ("雨",), "mist": ("霧",), "wind": ("風",)},
    "time": _split(
        {
            "dawn": "朝しずか 朝ぼらけ 朝の道 朝が来て",
            "day": "昼しずか 昼さがり 昼の道 昼の夢",
            "dusk": "夕しずか 夕まぐれ 夕の道 夕の夢",
            "night": "よるしずか よる深し よるの道 よるの夢",
        }
    ),
    "sky": _split(
        {
            "clear": "空晴れて 晴れた空 晴れの空",
            "rain": "雨しずか 雨の音 雨やまず 雨の降る",
            "mist": "霧しずか 霧深し 霧の中 霧の道",
            "wind": "風しずか 風の音 風やまず 風の道",
        }
    ),
}
