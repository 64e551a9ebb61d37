"""Which language a text is in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from haiga.text.scripts import HAN, KANA

JAPANESE_SHARE: Final = 0.3
TOLD_APART: Final = ("en", "ja", "zh", "ko", "fr", "de", "es", "it", "pt", "nl", "ru")
"""Languages that a short text may be found to be in: among a hundred, three lines are a gamble."""


def is_in(text: str, language: str) -> bool:
    """Whether a text is in `language`, told apart from the languages of `TOLD_APART`."""
    return identify(text, (*TOLD_APART, language)) == language


def identify(text: str, candidates: Sequence[str] | None = None) -> str:
    """The ISO 639-1 code of a text's language; "und" for one without letters.

    Kana decide for Japanese where kana and kanji make up 30 % of the letters; the rest is judged
    by py3langid, among `candidates` if given. It is a guess on a few words: give the candidates
    that can occur.
    """
    letters = [char for char in text if char.isalpha() or KANA.match(char)]
    if not letters:
        return "und"
    kana = sum(bool(KANA.match(char)) for char in letters)
    han = sum(bool(HAN.match(char)) for char in letters)
    possible = candidates is None or "ja" in candidates
    if kana and possible and (kana + han) / len(letters) >= JAPANESE_SHARE:
        return "ja"
    import py3langid  # 1 s and 100 MB that a Japanese text does not need

    if candidates is None:
        return str(py3langid.classify(text)[0])
    ranked = [str(code) for code, _ in py3langid.rank(text)]
    return next((code for code in ranked if code in candidates), "und")
