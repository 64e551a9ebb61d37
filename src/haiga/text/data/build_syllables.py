"""Makes `syllables.txt.gz`: `python build_syllables.py cmudict.dict`.

Not imported by haiga; it stays beside its product so that the table can be made again.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections import defaultdict
from pathlib import Path

ENTRY = re.compile(r"^([a-z'-]+)(?:\(\d+\))? (.+)$")


def counts(lines: list[str]) -> dict[str, set[int]]:
    """Word -> the numbers of vowels (phones with a stress digit) of its pronunciations."""
    table: dict[str, set[int]] = defaultdict(set)
    for line in lines:
        entry = ENTRY.match(line.split("#")[0].rstrip())
        if entry:
            word, phones = entry.groups()
            table[word].add(sum(phone[-1].isdigit() for phone in phones.split()))
    return table


def main(source: str) -> None:
    """One line per set of counts: the counts joined by commas, a tab, the words in order."""
    groups: dict[str, list[str]] = defaultdict(list)
    for word, numbers in counts(Path(source).read_text(encoding="utf-8").splitlines()).items():
        if numbers != {0}:
            groups[",".join(map(str, sorted(numbers - {0})))].append(word)
    text = "".join(f"{key}\t{' '.join(sorted(groups[key]))}\n" for key in sorted(groups))
    target = Path(__file__).with_name("syllables.txt.gz")
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main(sys.argv[1])
