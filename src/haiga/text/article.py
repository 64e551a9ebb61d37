"""A or an: by the sound that a word begins with, as far as its letters tell it."""

from __future__ import annotations

import re
from typing import Final

# Vowels that sound like a consonant, and an h that does not sound.
_CONSONANT: Final = re.compile(
    r"eu|ewe|one\b|once\b|u(?:ni(?![dmn])|[bcfhkqrstv][aeiou]|s[aeu]|til)"
)
_VOWEL: Final = re.compile(r"[aeiou]|hour|honest|honou?r|heir\b|heirloom")


def with_article(noun: str) -> str:
    """The noun with "a" or "an" before it: an umbrella, a unicorn, an hourglass."""
    word = noun.strip().casefold()
    an = _VOWEL.match(word) and not _CONSONANT.match(word)
    return f"{'an' if an else 'a'} {noun}"
