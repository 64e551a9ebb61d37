"""Kana, kanji, and the units into which a text is cut for counting."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

KANA: Final = re.compile("[ぁ-ゖァ-ヺーゝゞヽヾ]")
HAN: Final = re.compile("[々〆〇㐀-䶿一-鿿豈-﫿]")
TOKEN: Final = re.compile(
    f"{KANA.pattern}|{HAN.pattern}|(?:(?!{KANA.pattern}|{HAN.pattern})[^\\W_])+(?:'[^\\W\\d_]+)*"
)


def is_east_asian(char: str) -> bool:
    """Whether a character is kana or a Han character: a script without spaces between words."""
    return bool(KANA.match(char) or HAN.match(char))


def tokens(text: str) -> list[str]:
    """Words of scripts with spaces, single characters of Japanese and Chinese; no punctuation."""
    return TOKEN.findall(unicodedata.normalize("NFKC", text).replace("’", "'").casefold())
