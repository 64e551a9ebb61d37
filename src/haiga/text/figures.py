"""Where a text speaks in a figure: what stands there is likened to, and need not be there.

"Like a lantern", "as red as the torii", 提灯のごとく. A metaphor has no such word and is not found:
this filter takes out some of the false alarms of a literal count, and not all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from haiga.text.mentions import Mention, plain

# Not after who may like something, nor inside "moon-like".
_LIKED: Final = "".join(
    rf"(?<!\b{word} )" for word in ("i", "we", "you", "they", "would", "i'd", "to")
)
# From the word that likens to the end of the clause.
_ENGLISH: Final = re.compile(
    rf"(?:{_LIKED}(?<!-)\blike\b|\bas \w+ as\b|\bas (?:if|though)\b|\bresembl\w+\b"
    r"|\bin the shape of\b)[^,.;:!?\u2014\u2013]*"
)
_JAPANESE: Final = re.compile(
    r"(?:の)?(?:ように|ような|ようだ|ようで|ごとく|ごとき|ごとし|如く|如き|如し|みたいに|みたいな|に似て"
    r"|めいて|めく|かと見れば)"
)


def likened(text: str, found: Sequence[Mention]) -> list[bool]:
    """Whether each mention stands in a figure: behind an English "like", before a Japanese ように.

    Args:
        text: as the mentions were looked for in.
        found: what `mentions.mentions` gave of it.
    """
    said = plain(text)
    behind = [match.span() for match in _ENGLISH.finditer(said)]
    before = {match.start() for match in _JAPANESE.finditer(said)}
    return [
        any(start <= each.start < end for start, end in behind)
        or each.end in before
        or said[each.end : each.end + 5] == "-like"
        for each in found
    ]
