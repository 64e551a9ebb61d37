"""English nouns in singular and plural, by their endings; enough for the names of things."""

from __future__ import annotations

import re
from typing import Final

_IRREGULAR: Final = {
    "man": "men", "woman": "women", "child": "children", "person": "people", "foot": "feet",
    "tooth": "teeth", "goose": "geese", "mouse": "mice", "knife": "knives", "wolf": "wolves",
    "leaf": "leaves", "shelf": "shelves", "calf": "calves", "loaf": "loaves", "wife": "wives",
    "sheep": "sheep", "deer": "deer", "fish": "fish", "scissors": "scissors", "skis": "skis",
    "bus": "buses", "potato": "potatoes", "tomato": "tomatoes",
}  # fmt: skip
_SINGULAR: Final = {plural: single for single, plural in _IRREGULAR.items()}
_KEEP: Final = re.compile(r"(?:ss|us|is|as)$")


def plural(noun: str) -> str:
    """The plural of a noun, or of a compound by its last word: "wine glass" -> "wine glasses"."""
    head, _, last = noun.rpartition(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif re.search(r"(?:[sxz]|[cs]h)$", last):
        last += "es"
    elif re.search(r"[^aeiou]y$", last):
        last = last[:-1] + "ies"
    else:
        last += "s"
    return f"{head} {last}".strip()


def plurals(noun: str) -> tuple[str, ...]:
    """The noun as it stands in one and in several."""
    return tuple(dict.fromkeys((noun, plural(noun))))


def singular(word: str) -> str:
    """A word as it stands for one: "ponies" -> "pony", "glasses" -> "glass", "bus" -> "bus"."""
    if word in _SINGULAR:
        return _SINGULAR[word]
    if word in _IRREGULAR or len(word) < 4 or not word.endswith("s") or _KEEP.search(word):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(?:ss|x|zz|[cs]h)es$", word):
        return word[:-2]
    return word[:-1]
