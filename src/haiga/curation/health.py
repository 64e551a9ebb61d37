"""What a curated set is like: counts of its pictures, texts, languages, concepts and copies.

Everything is counted as rows go by, so that memory grows with what differs and not with how many
there are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from haiga.curation.captions import UNSPACED
from haiga.text.language import identify
from haiga.text.terms import terms

Row: TypeAlias = Mapping[str, Any]

SIDES: Final = (0, 128, 224, 336, 448, 672, 1024)
"""Where a bucket of shorter sides begins, in pixels: towers take 224, 336, 448 and so on."""
ASPECTS: Final = (1.0, 1.25, 1.5, 2.0, 3.0)
"""Where a bucket of longer by shorter side begins."""
SHOWN: Final = 20
"""Concepts of the head, and of the tail."""
IDENTIFIED: Final = 20_000
"""Texts whose language is guessed; more would take minutes and change no share."""


@dataclass
class Counts:
    """What has been seen of a set so far."""

    rows: int = 0
    pictures: int = 0
    sides: Counter[int] = field(default_factory=Counter)
    aspects: Counter[float] = field(default_factory=Counter)
    turned: Counter[str] = field(default_factory=Counter)
    lengths: dict[tuple[str, str], Counter[int]] = field(default_factory=dict)
    """(task, language) -> length -> how many texts have it."""
    languages: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    """Of texts, by what they look like."""
    concepts: Counter[str] = field(default_factory=Counter)
    """Term -> how many rows have it in a text."""
    clusters: Counter[str] = field(default_factory=Counter)

    def picture(self, measured: Mapping[str, Any]) -> None:
        """Count one picture by its measurements; one without a size is not counted."""
        width, height = measured.get("width"), measured.get("height")
        if not width or not height:
            return
        self.pictures += 1
        self.sides[_bucket(min(width, height), SIDES)] += 1
        self.aspects[_bucket(max(width, height) / min(width, height), ASPECTS)] += 1
        self.turned["wide" if width > height else "tall" if height > width else "square"] += 1

    def row(self, row: Row) -> None:
        """Count one row that stays, its pictures and its texts."""
        self.rows += 1
        self.languages[row["language"]] += 1
        self.clusters[row["cluster"]] += 1
        measured = json.loads(row["measurements"])
        for id in row["pictures"]:
            self.picture(measured.get(id, {}))
        named: set[str] = set()
        for text in row["answers"]:
            self._text(text, row["language"])
            named |= terms(text["text"])
        self.concepts.update(named)

    def _text(self, text: Mapping[str, Any], language: str) -> None:
        words = text["text"]
        count = sum(not c.isspace() for c in words) if language in UNSPACED else len(words.split())
        self.lengths.setdefault((text["task"], language), Counter())[count] += 1
        if self.found.total() < IDENTIFIED:
            self.found[identify(words)] += 1


def _bucket(value: float, edges: Sequence[Any]) -> Any:
    return max(edge for edge in edges if edge <= value)


def summary(kept: Counts, gathered: Counts) -> dict[str, Any]:
    """The counts as plain values; `gathered` has the pictures of all rows, also of those that left.

    Concepts are terms of texts. One that stands in more than half of the rows tells none from
    another and is counted apart, as `everywhere`.
    """
    return {
        "rows": kept.rows,
        "pictures": {
            "kept": kept.pictures,
            "measured": gathered.pictures,
            "shorter_side": _both(kept.sides, gathered.sides, SIDES),
            "aspect": _both(kept.aspects, gathered.aspects, ASPECTS),
            "shape": dict(kept.turned.most_common()),
        },
        "texts": [
            {
                "task": task,
                "language": language,
                "unit": "characters" if language in UNSPACED else "words",
                "n": lengths.total(),
                **{name: quantile(lengths, q) for name, q in _QUANTILES.items()},
            }
            for (task, language), lengths in sorted(kept.lengths.items())
        ],
        "languages": {
            "rows": dict(kept.languages.most_common()),
            "texts_look_like": dict(kept.found.most_common()),
        },
        "concepts": _concepts(kept),
        "clusters": _clusters(kept.clusters),
    }


_QUANTILES: Final = {"p5": 0.05, "median": 0.5, "p95": 0.95}


def quantile(counted: Counter[int], share: float) -> int:
    """The least value that at least `share` of the counted ones do not exceed."""
    wanted, passed = share * counted.total(), 0
    for value in sorted(counted):
        passed += counted[value]
        if passed >= wanted:
            return value
    raise ValueError("Nothing was counted.")


def _both(kept: Counter[Any], gathered: Counter[Any], edges: Sequence[Any]) -> list[dict[str, Any]]:
    ends = [*edges[1:], None]
    return [
        {"from": start, "to": end, "kept": kept[start], "measured": gathered[start]}
        for start, end in zip(edges, ends, strict=True)
    ]


def _concepts(kept: Counts) -> dict[str, Any]:
    everywhere = {term for term, count in kept.concepts.items() if 2 * count > kept.rows > 1}
    # By count and then by name, so that two runs over the same set say the same.
    ranked = sorted(
        ((term, count) for term, count in kept.concepts.items() if term not in everywhere),
        key=lambda pair: (-pair[1], pair[0]),
    )
    counts = [count for _, count in ranked]
    return {
        "different": len(ranked),
        "once": counts.count(1),
        "head_share": sum(counts[: max(1, len(counts) // 100)]) / max(1, sum(counts)),
        "head": ranked[:SHOWN],
        "tail": ranked[max(SHOWN, len(ranked) - SHOWN) :],
        "everywhere": sorted(everywhere),
        "by_rank": [[rank, counts[rank - 1]] for rank in _ranks(len(counts))],
    }


def _ranks(count: int) -> Iterable[int]:
    """1, 2, 3, … and then ever sparser, enough for a curve on a logarithmic scale."""
    rank = 1
    while rank <= count:
        yield rank
        rank = max(rank + 1, int(rank * 1.12))


def _clusters(clusters: Counter[str]) -> dict[str, int]:
    several = [count for count in clusters.values() if count > 1]
    return {
        "clusters": len(several),
        "rows_in_them": sum(several),
        "largest": max(several, default=1),
    }
