"""Morae of Japanese lines: exact for kana, by reading for kanji.

A mora is one kana, except that a small ゃゅょぁぃぅぇぉゎ belongs to the kana before it; each of
っ, ん and ー counts one. Kanji are read through a lexicon of readings, longest form first. What it
does not hold is read by fugashi with unidic-lite, where the extra `ja` is installed, and as well by
pyopenjtalk-plus with `ja-full`: where two readers differ, either may be right.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from functools import cache, lru_cache
from importlib import metadata, resources
from itertools import chain, islice, product
from typing import Any, Final

SMALL: Final = frozenset("ゃゅょぁぃぅぇぉゎャュョァィゥェォヮ")
DIGITS: Final = "〇一二三四五六七八九"
KANA: Final = re.compile("[ぁ-ゖァ-ヺーゝゞヽヾ〳〴〵]*")
SILENT_CATEGORIES: Final = frozenset("PSZC")
VARIANTS: Final = 32
_KANJI: Final = "\u3400-\u9fff"
_AFTER_KANJI: Final = f"(?<=[{_KANJI}])"
HISTORICAL: Final = tuple(
    (re.compile(pattern), modern)
    for pattern, modern in (
        ("つ(?=[てたぱぴぷぺぽ])", "っ"),
        (f"{_AFTER_KANJI}は(?=[れずぬばむじ])", "わ"),
        (f"{_AFTER_KANJI}ひ(?=[てしけつぬたまあいおこさそちなのもよわをゑ{_KANJI}]|$)", "い"),
        (f"{_AFTER_KANJI}ふ(?![るりれらつっか])", "う"),
        (f"{_AFTER_KANJI}へ(?=[てばりしぬけどたなまよるれず]|$)", "え"),
        ("[ゐヰ]", "い"),
        ("[ゑヱ]", "え"),
    )
)
"""The spelling of before 1946 in that of today, which dictionaries know: 取つて, 教へ, 食はれ. One
kana for one, so that a wrong guess changes no count of kana."""


def morae(
    text: str, readings: Mapping[str, str] | None = None, *, nbest: int = 1
) -> frozenset[int] | None:
    """The possible numbers of morae of a line, or None where it cannot be read.

    `readings` maps a surface form to its kana, several readings with a space between; None takes
    the lexicon that comes with haiga. What is counted is every reading of the lexicon, and beside
    words that it puts together of several forms what the dictionary reads there (海苔 is no 海 and
    苔); of a dictionary its best reading, and with `nbest` above 1 its `nbest` best. None means
    that a kanji, a digit or a Latin letter is left over which the lexicon does not hold and the
    dictionary, if there is one, cannot read.
    """
    lexicon = bundled_readings() if readings is None else readings
    plain = _plain(text)
    # Whoever brings readings knows how words are put together.
    ways = (_read_by_lexicon(plain, lexicon, parts) for parts in (True, readings is not None))
    counts: set[int] = set()
    for variant in dict.fromkeys(chain(*(islice(way, VARIANTS) for way in ways))):
        counts |= _read_by_dictionary(variant, nbest)
    return frozenset(counts) or None


def count_kana(text: str) -> int:
    """Morae of a text in kana alone; punctuation and spaces count nothing."""
    return sum(bool(KANA.fullmatch(char)) and char not in SMALL for char in text)


@cache
def bundled_readings() -> Mapping[str, str]:
    """The readings that come with haiga (`data/readings.tsv`): common words of haiku."""
    text = resources.files("haiga.text").joinpath("data/readings.tsv").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return dict(line.split("\t") for line in lines)


def _plain(text: str) -> str:
    """NFKC, digits as kanji numerals, today's spelling, and nothing that is silent."""
    text = unicodedata.normalize("NFKC", text)
    text = re.sub(r"\d+", lambda match: _numeral(match.group()), text)
    for pattern, modern in HISTORICAL:
        text = pattern.sub(modern, text)
    return "".join(c for c in text if unicodedata.category(c)[0] not in SILENT_CATEGORIES)


def _numeral(digits: str) -> str:
    """Kanji of a number below ten thousand; longer ones digit by digit, as one says them."""
    if len(digits) > 4 or (len(digits) > 1 and digits[0] == "0"):
        return "".join(DIGITS[int(digit)] for digit in digits)
    if int(digits) == 0:
        return "〇"
    said = ""
    for unit, digit in zip(("千", "百", "十", "")[-len(digits) :], map(int, digits), strict=True):
        if digit:
            said += ("" if digit == 1 and unit else DIGITS[digit]) + unit
    return said


def _read_by_lexicon(text: str, lexicon: Mapping[str, str], parts: bool) -> Iterator[str]:
    """The text with its runs of kanji in kana, one variant for each choice of readings.

    A run is replaced only as a whole: 月 inside 月曜日 is not つき. A form may go on into the kana
    behind the run, so that 光る is not 光 and る. With `parts` several forms may make up a run.
    """
    longest = max(map(len, lexicon), default=0)
    pieces: list[tuple[str, ...]] = []
    start = 0
    while start < len(text):
        end = KANA.match(text, start).end()  # type: ignore[union-attr]  # it matches the empty text
        pieces.append((text[start:end],))
        start = end
        while end < len(text) and not KANA.fullmatch(text[end]):
            end += 1
        forms = _cover(text, start, end, lexicon, longest)
        if forms is None or (len(forms) > 1 and not parts):
            pieces.append((text[start:end],))
            start = end
            continue
        for form in forms:
            pieces.append(tuple(lexicon[form].split()))
            start += len(form)
    return map("".join, product(*pieces))


def _cover(
    text: str, start: int, end: int, lexicon: Mapping[str, str], longest: int
) -> tuple[str, ...] | None:
    """Forms that cover text[start:end] without a gap, the longest first; None where none do."""
    if start >= end:
        return ()
    for size in range(min(longest, len(text) - start), 0, -1):
        form = text[start : start + size]
        if form in lexicon:
            rest = _cover(text, start + size, end, lexicon, longest)
            if rest is not None:
                return (form, *rest)
    return None


@lru_cache(maxsize=10_000)
def _read_by_dictionary(text: str, nbest: int) -> frozenset[int]:
    """Counts of the dictionary's `nbest` best readings; empty where nothing can read the text."""
    if KANA.fullmatch(text):
        return frozenset({count_kana(text)})
    spoken: list[list[str | None]] = []
    if (tagger := _tagger()) is not None:
        paths = tagger.nbestToNodeList(text, nbest) if nbest > 1 else [tagger(text)]
        spoken += [[_kana(node.surface, node.feature.kana) for node in path] for path in paths]
    if (talker := _talker()) is not None:
        spoken.append([_kana(node["string"], node["read"]) for node in talker(text)])
    return frozenset(
        sum(count_kana(kana) for kana in path if kana) for path in spoken if None not in path
    )


def _kana(surface: str, reading: str | None) -> str | None:
    """A token's kana, its own where it is written in kana; None where it has no reading."""
    if KANA.fullmatch(surface):
        return surface
    kana = (reading or "").replace("’", "")  # a vowel that is not heard
    return kana if kana and KANA.fullmatch(kana) else None


@cache
def _tagger() -> Any | None:
    try:
        import fugashi
        import unidic_lite
    except ImportError:
        return None
    return fugashi.Tagger(f'-d "{unidic_lite.DICDIR}" -r "{unidic_lite.DICDIR}/mecabrc"')


@cache
def _talker() -> Callable[[str], list[dict[str, Any]]] | None:
    """The second reader's tokens; None without it."""
    try:
        # Another package has its module's name, and fetches a dictionary at its first call.
        metadata.version("pyopenjtalk-plus")
    except metadata.PackageNotFoundError:
        return None
    with redirect_stdout(io.StringIO()):  # it advertises at import
        import pyopenjtalk

    def read(text: str) -> list[dict[str, Any]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of how it opens its dictionary
            return list(pyopenjtalk.run_frontend(text))

    return read
