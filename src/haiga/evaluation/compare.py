"""Paired comparisons: full against each condition, and each stage against the one before.

Every comparison is on the same items. A check is a ratio of sums R = ΣN/ΣD, so each item enters
with its linearised value R + (N - R·D) / mean(D) (Taylor linearisation of a ratio: Särndal,
Swensson and Wretman, "Model Assisted Survey Sampling", 1992, §5.6). The mean of these values is R
itself and their spread gives its variance, so a difference here is exactly the difference of two
cells of the summary; for checks of one yes or no per item they are just the zeros and ones.

p-values are adjusted after Holm over all comparisons of one stage, checks × contrasts, and
"moved" is decided on the adjusted p.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from haiga.evaluation.checks import Parts
from haiga.statistics import paired

Table: TypeAlias = dict[str, dict[str, dict[str, Parts]]]
"""stage -> condition -> check -> one part per item."""

PRIMARY = "named_precision"
"""The check that decides whether a model uses its pictures, declared before anything is seen."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """One comparison that will be made: which two cells, under which check."""

    stage: str
    check: str
    against: str
    """A condition of the same stage, or the previous stage's name."""
    kind: str
    """"condition" or "stage"."""


def comparisons(table: Table, clusters: Sequence[str], *, seed: int = 0) -> list[dict[str, Any]]:
    """One row per contrast: stage, check, against, kind, difference, low, high, n, p, p_holm,
    moved, detectable, sentence. `difference` is (stage under full) - (what it is held against)."""
    rows: list[dict[str, Any]] = []
    for contrasts in _families(table):
        family = [
            asdict(contrast) | asdict(_difference(table, contrast, clusters, seed))
            for contrast in contrasts
        ]
        adjusted = holm([row["p"] for row in family])
        for row, p in zip(family, adjusted, strict=True):
            decided = row | {"p_holm": p, "moved": p < 0.05}
            rows.append(decided | {"sentence": sentence(decided)})
    return rows


def _families(table: Table) -> Iterator[list[Contrast]]:
    """The contrasts of each stage; one family of Holm's each."""
    before = ""
    for stage, by_condition in table.items():
        checks = [name for name, parts in by_condition["full"].items() if any(parts)]
        against = [(name, "condition") for name in by_condition if name != "full"]
        if before:
            against.append((before, "stage"))
        yield [Contrast(stage, check, *other) for check in checks for other in against]
        before = stage


def _difference(
    table: Table, contrast: Contrast, clusters: Sequence[str], seed: int
) -> paired.Comparison:
    ours = table[contrast.stage]["full"][contrast.check]
    if contrast.kind == "stage":
        theirs = table[contrast.against]["full"][contrast.check]
    else:
        theirs = table[contrast.stage][contrast.against][contrast.check]
    applies = [i for i, part in enumerate(ours) if part is not None]
    return paired.difference(
        linearised(ours),
        linearised(theirs),
        clusters=[clusters[i] for i in applies],
        seed=seed,
    )


def linearised(parts: Parts) -> list[float]:
    """Per-item values whose mean is ΣN/ΣD, for the items to which the check applies.

    Worked: N/D of 1/1 and 0/3 have R = 1/4 and mean(D) = 2: values 0.625 and -0.125, mean 1/4.
    """
    kept = [part for part in parts if part is not None]
    total = sum(part.denominator for part in kept)
    ratio = sum(part.numerator for part in kept) / total
    scale = len(kept) / total
    return [ratio + (part.numerator - ratio * part.denominator) * scale for part in kept]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given (Holm, 1979)."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted


def sentence(row: Mapping[str, Any]) -> str:
    """A row in words, in percentage points."""
    against = row["against"] if row["kind"] == "stage" else f"its own {row['against']}"
    p = f"p = {row['p_holm']:.3f}" if row["p_holm"] >= 0.001 else "p < 0.001"
    verb = "moved" if row["moved"] else "did not move"
    words = (
        f"{row['check']} of {row['stage']} {verb} against {against}: "
        f"{_points(row['difference'])} points (95 % interval {_points(row['low'])} to "
        f"{_points(row['high'])}, n = {row['n']}, {p} after Holm)."
    ).replace("_", " ")
    if row["moved"]:
        return words
    return f"{words} A change below {100 * row['detectable']:.1f} points would often go unseen."


def _points(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "\u2212")


def uses_picture(rows: Sequence[Mapping[str, Any]], stage: str) -> bool | None:
    """Whether `stage` surely names more truly with its picture than under every control.

    True only where the lower bound of full - control is above zero for each of them (an
    intersection-union test, which needs no correction); None where the primary check had no
    truth to look at.
    """
    held = [
        row["low"]
        for row in rows
        if row["stage"] == stage and row["check"] == PRIMARY and row["kind"] == "condition"
    ]
    return all(low > 0 for low in held) if held else None
