"""Rules for texts: each reads a text and its language, and gives a reason or None."""

from __future__ import annotations

import inspect
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, TypeAlias

from haiga.curation import boilerplate
from haiga.text.diversity import repetition as repeated
from haiga.text.haiku import form as haiku_form
from haiga.text.language import is_in

Rule: TypeAlias = Callable[..., str | None]
"""Of (text, language), or of (text, language, meta): its positional parameters are its needs."""

_Meta: TypeAlias = Mapping[str, Any]

UNSPACED = frozenset({"ja", "zh", "th", "lo", "km", "my", "bo"})
"""Languages that are written without spaces, of which characters are counted."""
_THREE_LETTERS = {
    "eng": "en", "jpn": "ja", "zho": "zh", "chi": "zh", "kor": "ko", "fra": "fr", "fre": "fr",
    "deu": "de", "ger": "de", "spa": "es", "ita": "it", "por": "pt", "nld": "nl", "rus": "ru",
}  # fmt: skip
"""ISO 639-3 and 639-2, as Common Crawl names languages, of those that are told apart."""
_BROKEN = re.compile(
    r"[\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff]"  # lost, control, private use
    r"|[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac"  # UTF-8 that was read as Latin-1
)
_VERDICTS = {
    "pass": None,
    "possible": "5-7-5 only in an unusual reading",
    "unknown": "holds a word whose reading is not known",
    "fail": "not 5-7-5",
}


def words(text: str, language: str, *, minimum: int = 5, maximum: int = 200) -> str | None:
    """Between `minimum` and `maximum` words; characters where a language writes no spaces."""
    spaced = language not in UNSPACED
    count = len(text.split()) if spaced else sum(not c.isspace() for c in text)
    if minimum <= count <= maximum:
        return None
    bound = f"under {minimum}" if count < minimum else f"over {maximum}"
    return f"{bound} {'words' if spaced else 'characters'}"


def plain(text: str, language: str) -> str | None:
    """No address, no path or file name, no markup, no boilerplate."""
    return boilerplate.found(text)


def special(text: str, language: str, *, maximum: float = 0.3) -> str | None:
    """No broken characters, and at most a share `maximum` that is neither letter nor number."""
    if _BROKEN.search(text):
        return "broken characters"
    shown = [char for char in text if not char.isspace()]
    odd = sum(unicodedata.category(char)[0] not in "LMN" for char in shown)
    return "special characters" if odd > maximum * len(shown) else None


def repetition(text: str, language: str, *, maximum: float = 0.3, run: int = 8) -> str | None:
    """No character `run` times in a row, and at most a share `maximum` of its runs of three words
    (characters in Japanese and Chinese) has stood in it before."""
    if re.search(rf"(\S)\1{{{run - 1}}}", text):
        return "repeats a character"
    return "repeats itself" if repeated(text) > maximum else None


def language(text: str, language: str) -> str | None:
    """The text is in the language that it says it is in."""
    return None if is_in(text, language) else f"not in {language}"


def page(
    text: str,
    language: str,
    meta: _Meta,
    *,
    fields: tuple[str, ...] = ("page_language", "lang", "LANGUAGE", "language"),
) -> str | None:
    """The text is in the language that its row names, in the first of `fields` that says one."""
    said = next((meta[field] for field in fields if isinstance(meta.get(field), str)), "")
    code = re.split(r"[-_,;]", said.strip().casefold())[0]
    code = _THREE_LETTERS.get(code, code)
    if not re.fullmatch(r"[a-z]{2,3}", code) or code == "und":
        return None
    return None if is_in(text, code) else "not in the language of its page"


def form(text: str, language: str) -> str | None:
    """A haiku of 5-7-5 syllables or morae."""
    return _VERDICTS[haiku_form(text, language).verdict]


RULES: dict[str, Callable[..., str | None]] = {
    "words": words,
    "plain": plain,
    "special": special,
    "repetition": repetition,
    "language": language,
    "page": page,
    "form": form,
}


def ask(rule: Rule, text: str, language: str, meta: _Meta = MappingProxyType({})) -> str | None:
    """What a rule says of a text; it is given `meta`, what its row says, where it names that."""
    return rule(text, language, meta) if _needs_meta(rule) else rule(text, language)


@cache
def _needs_meta(rule: Rule) -> bool:
    return "meta" in inspect.signature(rule).parameters


def fault(
    text: str, language: str, rules: Sequence[Rule], meta: _Meta = MappingProxyType({})
) -> str | None:
    """Why a text is set aside: it is empty, or the reason of the first rule that it fails."""
    if not text or text.isspace():
        return "empty"
    for rule in rules:  # as `ask` does, whose calls would be a tenth of it all
        why = rule(text, language, meta) if _needs_meta(rule) else rule(text, language)
        if why:
            return why
    return None
