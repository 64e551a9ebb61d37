"""How surely lines of verse are counted: accepted at their own count, and at a wrong one.

    python benchmarks/haiku_form.py

Every line of the poems in src/haiga/text/data/classics_*.tsv is held against its own count and
against wrong ones: one and two more, and in Japanese one less too (in English many a word has
one or two, so that one less is often no error). A line is accepted at a count that is
among those it may have. Japanese has three states: "pass" by a reading of the lexicon or the best
one of a dictionary, "possible" by a dictionary's second best, where the extra `ja` or `ja-full` is
installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from haiga.statistics.intervals import wilson
from haiga.text import english, japanese
from haiga.text.classics import classics
from haiga.text.haiku import form

WRONG = {"en": (1, 2), "ja": (-1, 1, 2)}
Counter = Callable[[str], frozenset[int] | None]
WAYS: dict[str, dict[str, Counter]] = {
    "en": {"pass": english.syllables},
    "ja": {
        "pass": japanese.morae,
        "possible": lambda line: japanese.morae(line, nbest=2),
        "dictionary alone": lambda line: japanese.morae(line, {}),
    },
}


def measured(language: str, count: Counter, fresh: bool) -> tuple[str, str, list[str]]:
    """Share of lines accepted at their own count, share of wrong counts accepted, and misses."""
    poems = [poem for poem in classics(language) if poem.fresh is fresh]
    lines = [pair for poem in poems for pair in zip(poem.lines, poem.counts, strict=True)]
    found = [(line, true, count(line) or frozenset()) for line, true in lines]
    own = wilson(sum(true in counts for _, true, counts in found), len(found))
    claims = [(true + by) in counts for _, true, counts in found for by in WRONG[language]]
    wrong = wilson(sum(claims), len(claims))
    misses = [f"{line}: {true}, not {sorted(c)}" for line, true, c in found if true not in c]
    return _said(own), _said(wrong), misses


def _said(score) -> str:
    return f"{score.mean:.3f} [{score.low:.3f}, {score.high:.3f}] of {score.n}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--misses", action="store_true", help="Print the lines that are missed.")
    misses = parser.parse_args().misses
    there = {
        "fugashi with unidic-lite": japanese._tagger() is not None,
        "pyopenjtalk-plus": japanese._talker() is not None,
    }
    print(f"dictionaries: {', '.join(name for name, found in there.items() if found) or 'none'}")
    print("language\tpoems\tstate\taccepted at its own count\taccepted at a wrong one")
    for language, fresh in (("en", False), ("en", True), ("ja", False), ("ja", True)):
        for state, count in WAYS[language].items():
            own, wrong, missed = measured(language, count, fresh)
            print(f"{language}\t{'fresh' if fresh else 'mended on'}\t{state}\t{own}\t{wrong}")
            for line in missed if misses else ():
                print(f"    {line}", file=sys.stderr)
    poems = [poem for poem in classics("ja") if poem.counts == (5, 7, 5)]
    verdicts = [form("\n".join(poem.lines), "ja").verdict for poem in poems]
    counted = {name: verdicts.count(name) for name in ("pass", "possible", "unknown", "fail")}
    print(f"Japanese poems of 5-7-5, {len(poems)}: {counted}")


if __name__ == "__main__":
    main()
