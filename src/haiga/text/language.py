"""Which language a text is in."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from haiga.text.scripts import HAN, KANA

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

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
    kana = len(KANA.findall(text))
    if not kana and not any(map(str.isalpha, text)):
        return "und"
    possible = candidates is None or "ja" in candidates
    if kana and possible:
        letters = sum(char.isalpha() or bool(KANA.match(char)) for char in text)
        han = sum(map(str.isalpha, HAN.findall(text)))  # 〇 is a number
        if (kana + han) / letters >= JAPANESE_SHARE:
            return "ja"
    identifier = _identifier(None if candidates is None else frozenset(candidates))
    return "und" if identifier is None else str(identifier.classify(text)[0])


@lru_cache(maxsize=64)
def _identifier(candidates: frozenset[str] | None) -> LanguageIdentifier | None:
    """One that knows of these languages alone, or None where it knows of none of them.

    It has the model's tables in common with the others, and is as fast as they are few.
    """
    from py3langid import langid  # 1 s and 100 MB that a Japanese text does not need

    langid.classify("")  # reads the model
    identifier = copy(langid.IDENTIFIER)
    if candidates is not None:
        some = candidates & set(identifier.nb_classes)
        if not some:
            return None
        identifier.set_languages(some)
    return identifier
