"""Syllables of English lines: sets of possible counts, because "fire" has one or two.

A word is looked up in a table made from the CMU Pronouncing Dictionary; an unknown word is read as
an inflection of a known one, as a compound of two, and last by rules of spelling.
"""

from __future__ import annotations

import gzip
import re
import unicodedata
from functools import cache, lru_cache, reduce
from importlib import resources
from typing import Final

Counts = frozenset[int]

# An apostrophe that stands for a whole unstressed vowel; spelling alone would count it.
CONTRACTIONS: Final = {
    "o'er": 1, "e'er": 1, "ne'er": 1, "e'en": 1, "ev'n": 1, "whate'er": 2, "where'er": 2,
    "howe'er": 2, "whene'er": 2, "ev'ry": 2, "o'erhead": 2, "heav'n": 1, "flow'r": 1, "pow'r": 1,
    "show'r": 1, "tow'r": 1, "bow'r": 1, "i'th": 1, "o'th": 1, "th": 0,
}  # fmt: skip
SYMBOLS: Final = {"&": " and ", "%": " percent ", "+": " plus ", "@": " at ", "°": " degrees "}
ONES: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
TENS: Final = (
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip
SCALES: Final = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
ORDINALS: Final = {"one": "first", "two": "second", "three": "third"}

TOKEN: Final = re.compile(
    r"(?P<time>\d{1,2}:\d{2})|(?P<number>\d[\d,]*(?:\.\d+)?)(?P<ordinal>(?:st|nd|rd|th)(?![A-Za-z]))?"
    r"|(?P<dotted>(?:[A-Za-z]\.){2,})|(?P<word>'?[A-Za-z]+(?:'[A-Za-z]+)*'?)"
)
# (ending, syllables that it adds, what may stand in its place at the end of the known word)
ENDINGS: Final = (
    ("ness", 1, ("", "y")), ("less", 1, ("",)), ("fully", 2, ("",)), ("ful", 1, ("",)),
    ("ingly", 2, ("", "e")), ("ings", 1, ("", "e")), ("ing", 1, ("", "e")), ("ward", 1, ("",)),
    ("like", 1, ("",)), ("ier", 1, ("y",)), ("iest", 1, ("y",)), ("ily", 1, ("y",)),
    ("ly", 1, ("",)), ("est", 1, ("", "e")), ("ers", 1, ("", "e")), ("er", 1, ("", "e")),
    ("ish", 1, ("", "e")), ("ies", 0, ("y",)), ("ied", 0, ("y",)), ("y", 1, ("", "e")),
)  # fmt: skip
PREFIXES: Final = {"un": 1, "re": 1, "mis": 1, "out": 1, "over": 2, "under": 2, "fore": 1, "mid": 1}
PARTED: Final = re.compile("ia(?!l$|n$)|io(?!n|us)|eo(?!u)|ua(?!r)|uo|[aeiou]ing|[^aeiou]ism$")
SILENT: Final = re.compile("[^aeiouyl]e$|[aeiouy]le$|[^aeiouytd]ed$|[^aeiouycgsxzh]es$")
ROMAJI: Final = re.compile(r"(?:(?:[kgsztdnhbpmrwjyf]|sh|ch|ts|[kgnhbpmr]y)?[aiueo]n?)+")


def syllables(line: str) -> Counts:
    """The possible numbers of syllables of a line, {0} for a line without words.

    The sum-set of the words' own sets. Typographic apostrophes, hyphens, accents, numbers, clock
    times, initials and acronyms are understood.
    """
    return reduce(_plus, (_token(match) for match in TOKEN.finditer(_plain(line))), frozenset({0}))


@lru_cache(maxsize=50_000)
def word(spelling: str) -> Counts:
    """The possible numbers of syllables of one lower-case word; never empty."""
    for form in dict.fromkeys((spelling, spelling.strip("'"), "'" + spelling.strip("'"))):
        if form in CONTRACTIONS:
            return frozenset({CONTRACTIONS[form]})
        if form in _table():
            return _known(form)
    bare = spelling.strip("'")
    return _possessive(bare) or _inflected(bare) or _compound(bare) or _spelled(bare)


def _known(spelling: str) -> Counts:
    """A word's counts, without what the dictionary holds of other words of the same letters.

    Of two letters it has the abbreviation too ("am", "us"), and of some plurals a slip that their
    singular has not ("springs").
    """
    counts = _table()[spelling]
    if len(spelling) == 2:
        return counts - _letters(spelling) or counts
    if spelling.endswith("s") and not re.search("(?:[sxz]|[cs]h|[cg]e|se)s$", spelling):
        return counts & _table().get(spelling[:-1], counts) or counts
    return counts


@cache
def _table() -> dict[str, Counts]:
    packed = resources.files("haiga.text").joinpath("data/syllables.txt.gz").read_bytes()
    table: dict[str, Counts] = {}
    for line in gzip.decompress(packed).decode().splitlines():
        counts, words = line.split("\t")
        table.update(dict.fromkeys(words.split(), frozenset(map(int, counts.split(",")))))
    return table


def _plus(left: Counts, right: Counts) -> Counts:
    return frozenset(a + b for a in left for b in right)


def _plain(line: str) -> str:
    text = line.replace("\u2019", "'").replace("\u2018", "'").replace("\u02bc", "'")
    text = unicodedata.normalize("NFKD", text.replace("`", "'"))
    text = "".join(char for char in text if not unicodedata.combining(char))
    return "".join(SYMBOLS.get(char, char) for char in text)


def _token(match: re.Match[str]) -> Counts:
    if match["time"]:
        hour, minute = map(int, match["time"].split(":"))
        return _say(_clock(hour, minute))
    if match["number"]:
        said = _number(match["number"])
        if match["ordinal"]:
            said[-1] = ORDINALS.get(said[-1], re.sub("y$", "ie", said[-1]) + "th")
        return _say(said)
    if match["dotted"]:
        return _letters(match["dotted"].replace(".", ""))
    spelling = match["word"]
    unknown = spelling.lower() not in _table()
    spells_out = len(spelling) <= 4 or not re.search("[AEIOUY]", spelling)
    if len(spelling) > 1 and spelling.isupper() and unknown and spells_out:
        return _letters(spelling)
    return word(spelling.lower())


def _say(words: list[str]) -> Counts:
    return reduce(_plus, map(word, words), frozenset({0}))


def _letters(spelling: str) -> Counts:
    return frozenset({sum(3 if letter in "wW" else 1 for letter in spelling)})


def _clock(hour: int, minute: int) -> list[str]:
    if minute == 0:
        return _cardinal(hour)
    return _cardinal(hour) + (["o"] if minute < 10 else []) + _cardinal(minute)


def _number(digits: str) -> list[str]:
    whole, _, fraction = digits.replace(",", "").partition(".")
    is_year = len(whole) == 4 and "," not in digits and 1100 <= int(whole) < 2000
    if is_year and not fraction:
        century, rest = divmod(int(whole), 100)
        tail = _cardinal(rest) if rest >= 10 else ["o", *_cardinal(rest)] if rest else ["hundred"]
        return _cardinal(century) + tail
    return _cardinal(int(whole)) + (
        ["point", *(ONES[int(d)] for d in fraction)] if fraction else []
    )


def _cardinal(value: int) -> list[str]:
    for scale, name in SCALES:
        if value >= scale:
            rest = value % scale
            return [*_cardinal(value // scale), name, *(_cardinal(rest) if rest else [])]
    if value < 20:
        return [ONES[value]]
    return [TENS[value // 10], *([ONES[value % 10]] if value % 10 else [])]


def _possessive(spelling: str) -> Counts | None:
    if not spelling.endswith("'s"):
        return None
    owner = spelling[:-2]
    hisses = re.search("(?:[sxz]|[cs]h|[cg]e|se)$", owner)
    # A Japanese name ends in a vowel that sounds: Hiroshige's has no more syllables than he has.
    sounds = owner not in _table() and ROMAJI.fullmatch(owner)
    return _plus(word(owner), frozenset({int(bool(hisses and not sounds))}))


def _inflected(spelling: str) -> Counts | None:
    """The word as a known word with an ending or a prefix."""
    table = _table()
    if spelling.endswith("es") and spelling[:-1] in table:
        return _plus(
            table[spelling[:-1]], frozenset({int(bool(re.search("[cgsxz]es$", spelling)))})
        )
    if re.search("(?:[sxz]|[cs]h)es$", spelling) and spelling[:-2] in table:
        return _plus(table[spelling[:-2]], frozenset({1}))
    if spelling.endswith("s") and spelling[:-1] in table:
        return table[spelling[:-1]]
    if spelling.endswith("ed"):
        for stem in (spelling[:-1], spelling[:-2], _undoubled(spelling[:-2])):
            if len(stem) > 2 and stem in table:
                return _plus(table[stem], frozenset({int(stem.rstrip("e")[-1] in "td")}))
    for ending, added, replacements in ENDINGS:
        stem = spelling.removesuffix(ending)
        if stem != spelling and len(stem) > 2:
            for known in (*(stem + new for new in replacements), _undoubled(stem)):
                if known in table:
                    return _plus(table[known], frozenset({added}))
    for prefix, added in PREFIXES.items():
        rest = spelling.removeprefix(prefix)
        if rest != spelling and len(rest) > 2 and rest in table:
            return _plus(table[rest], frozenset({added}))
    return None


def _undoubled(stem: str) -> str:
    """ "stepp" -> "step"; "" where nothing was doubled."""
    return stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] else ""


def _compound(spelling: str) -> Counts | None:
    """The word as two known words of three letters or more, the most even split first."""
    table, middle = _table(), len(spelling) / 2
    cuts = sorted(range(3, len(spelling) - 2), key=lambda cut: abs(cut - middle))
    splits = [(table[spelling[:cut]], spelling[cut:]) for cut in cuts if spelling[:cut] in table]
    for head, rest in splits:
        if rest in table:
            return _plus(head, table[rest])
    for head, rest in splits:
        tail = _inflected(rest) if len(rest) > 4 else None
        if tail:
            return _plus(head, tail)
    return None


def _spelled(spelling: str) -> Counts:
    """Rules of spelling: groups of vowels, less a silent ending, plus vowels that part."""
    groups = len(re.findall("[aeiouy]+", spelling))
    parted = len(PARTED.findall(spelling))
    count = max(1, groups + parted - bool(SILENT.search(spelling)))
    if not ROMAJI.fullmatch(spelling):
        return frozenset({count})
    # A Japanese name: every vowel sounds, and two in a row are one syllable or two (torii).
    return frozenset({groups, len(re.findall("[aiueo]", re.sub("ai|ei|ou|oo|uu", "a", spelling)))})
