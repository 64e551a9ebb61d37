"""The words of a text that can stand for what it is about."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from haiga.text.scripts import HAN, tokens

# fmt: off
_FUNCTION: Final = frozenset({
    "about", "above", "after", "all", "also", "among", "and", "any", "are", "around",
    "because", "been", "before", "behind", "being", "below", "beneath", "beside", "between",
    "both", "but", "can", "could", "did", "does", "down", "during", "each", "for", "from",
    "had", "has", "have", "her", "here", "him", "his", "how", "into", "its", "just", "many",
    "may", "more", "most", "much", "near", "not", "off", "one", "only", "onto", "other",
    "our", "out", "over", "own", "same", "she", "some", "such", "than", "that", "the",
    "their", "them", "then", "there", "these", "they", "this", "those", "through", "too",
    "two", "under", "until", "upon", "very", "was", "were", "what", "when", "where", "which",
    "while", "who", "will", "with", "within", "without", "would", "you", "your",
})
# fmt: on
"""English words that say how a thing stands, not which."""
_RUN: Final = re.compile(f"(?:{HAN.pattern})+|[ァ-ヺー]{{2,}}")


def terms(text: str) -> frozenset[str]:
    """Words of three letters and more, and runs of kanji or katakana; each once, in lower case.

    English function words are left out. Of a text without spaces these are the pieces between its
    hiragana: no dictionary is asked, so that an inflected verb is its stem and a compound one term.
    """
    plain = unicodedata.normalize("NFKC", text)
    spaced = (word for word in tokens(plain) if len(word) > 2 and not word.isdigit())
    return frozenset(word for word in spaced if word not in _FUNCTION) | frozenset(
        _RUN.findall(plain)
    )
