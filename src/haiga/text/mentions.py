"""Which named things a text mentions."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import ahocorasick

from haiga.text.scripts import is_east_asian

_Key: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]


class Mention(NamedTuple):
    """A place in `plain(text)` that names something."""

    start: int
    end: int
    names: frozenset[str]
    """What it may mean: a form can belong to several names."""


def find(text: str, lexicon: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The names of `lexicon` of which a surface form occurs in `text`; see `mentions`."""
    return frozenset().union(*(each.names for each in mentions(text, lexicon)))


def mentions(text: str, lexicon: Mapping[str, Sequence[str]]) -> list[Mention]:
    """Every place where a surface form of `lexicon` occurs in `text`, in order.

    Upper and lower case, full and half width are one. A form in an alphabet must stand as a word
    ("fan" is not in "infant"); plurals are forms of their own. A Japanese form matches anywhere,
    and a form inside a longer one that matched is hidden by it (鳥 in 鳥居). Linear in the text,
    whatever the size of the lexicon.
    """
    automaton = _automaton(tuple((name, tuple(forms)) for name, forms in lexicon.items()))
    if automaton is None:
        return []
    said = plain(text)
    spans = [
        Mention(end + 1 - length, end + 1, names)
        for end, (length, names) in automaton.iter(said)
        if _stands(said, end + 1 - length, end + 1)
    ]
    # Earliest first and longest first: a span ends inside one before it, or reaches further.
    found: list[Mention] = []
    reach = 0
    for each in sorted(spans, key=lambda span: (span.start, -span.end)):
        if each.end > reach:
            found.append(each)
            reach = each.end
    return found


@lru_cache(maxsize=64)
def _automaton(lexicon: _Key) -> Any | None:
    """An Aho-Corasick automaton over all forms: form -> (its length, the names that it means)."""
    names: dict[str, frozenset[str]] = {}
    for name, forms in lexicon:
        for form in map(plain, forms):
            if form:
                names[form] = names.get(form, frozenset()) | {name}
    if not names:
        return None
    automaton = ahocorasick.Automaton()
    for form, meant in names.items():
        automaton.add_word(form, (len(form), meant))
    automaton.make_automaton()
    return automaton


def plain(text: str) -> str:
    """The text as mentions are looked for: one case, one width, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).replace("’", "'").casefold().split())


def _stands(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is not cut out of a longer word of an alphabet."""
    opens = start == 0 or not (_is_letter(text[start]) and _is_letter(text[start - 1]))
    closes = end == len(text) or not (_is_letter(text[end - 1]) and _is_letter(text[end]))
    return opens and closes


def _is_letter(char: str) -> bool:
    return (char.isalnum() or char == "_") and not is_east_asian(char)
