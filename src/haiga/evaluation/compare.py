"""Paired comparisons: full against each condition, and each stage against the one it started from.

Every comparison is on the same items. A check is a ratio of sums R = ΣN/ΣD, so each item enters
with its linearised value R + (N - R·D) / mean(D) (Taylor linearisation of a ratio: Särndal,
Swensson and Wretman, "Model Assisted Survey Sampling", 1992, §5.6). The mean of these values is R
itself and their spread gives its variance, so a difference here is exactly the difference of two
cells of the summary; for checks of one yes or no per item they are just the zeros and ones.

p-values are adjusted after Holm over all comparisons of one stage, checks × contrasts, and
"moved" is decided on the adjusted p.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

from haiga.evaluation.checks import Parts
from haiga.evaluation.conditions import CONDITIONS
from haiga.statistics import paired

Table: TypeAlias = dict[str, dict[str, dict[str, Parts]]]
"""stage -> condition -> check -> one part per item."""

PRIMARIES = (
    "named_precision",
    "judged_grounding",
    "claims_shown",
    "own_picture",
)
"""Checks that can decide whether a model uses its pictures, declared before anything is seen: the
first of them that was made does. By the truth; where nobody knows it, by a judge, or a teacher that
checks statements; where there is none, by how well answers fit their own pictures among others, as
a dual encoder has it (`evaluation.own_picture`)."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """One comparison that will be made: which two cells, under which check."""

    stage: str
    check: str
    against: str
    """A condition of the same stage, the stage that it started from, or a control."""
    kind: str
    """"condition", "stage", or "control": a stage that was trained without pictures."""


def comparisons(
    table: Table, clusters: Sequence[str], *, starts: Mapping[str, str], seed: int = 0
) -> list[dict[str, Any]]:
    """One row per contrast: stage, check, against, kind, difference, low, high, n, p, p_holm,
    moved, detectable, sentence. `difference` is (stage under full) - (what it is held against);
    `detectable` is None where no difference could be seen. `starts` has for each stage the one
    that it started from; a stage that it does not name is held against no other."""
    rows: list[dict[str, Any]] = []
    for contrasts in _families(table, starts):
        found = [_compare(table, contrast, clusters, seed) for contrast in contrasts]
        adjusted = paired.holm([comparison.p for comparison, _ in found])
        for contrast, (comparison, means), p in zip(contrasts, found, adjusted, strict=True):
            decided = replace(comparison, moved=comparison.moved and p < 0.05)
            rows.append(_row(contrast, decided, means, p))
    return rows


def _families(table: Table, starts: Mapping[str, str]) -> Iterator[list[Contrast]]:
    """The contrasts of each stage; one family of Holm's each."""
    controls = [stage for stage, by_condition in table.items() if "full" not in by_condition]
    for stage, by_condition in table.items():
        if stage in controls:
            continue
        checks = [name for name, parts in by_condition["full"].items() if any(parts)]
        against = [(name, "condition") for name in by_condition if name != "full"]
        start = starts.get(stage)
        if start in table and start not in controls:
            against.append((start, "stage"))
        against += [(name, "control") for name in controls]
        family = [Contrast(stage, check, *other) for check in checks for other in against]
        yield [contrast for contrast in family if any(_theirs(table, contrast))]


def _theirs(table: Table, contrast: Contrast) -> Parts:
    """What a contrast holds its stage against; empty where the check was not made there."""
    if contrast.kind == "stage":
        return table[contrast.against]["full"].get(contrast.check, [])
    if contrast.kind == "control":
        return table[contrast.against]["blind"].get(contrast.check, [])
    return table[contrast.stage][contrast.against].get(contrast.check, [])


def _compare(
    table: Table, contrast: Contrast, clusters: Sequence[str], seed: int
) -> tuple[paired.Comparison, tuple[float, float]]:
    """The comparison and the two means, what is held against first."""
    ours = table[contrast.stage]["full"][contrast.check]
    theirs = _theirs(table, contrast)
    groups = [c for c, part in zip(clusters, ours, strict=True) if part is not None]
    before, after = linearised(theirs), linearised(ours)
    found = paired.difference(before, after, clusters=groups, seed=seed, share=True)
    return found, (sum(before) / len(before), sum(after) / len(after))


def _row(
    contrast: Contrast, comparison: paired.Comparison, means: tuple[float, float], p_holm: float
) -> dict[str, Any]:
    readable = contrast.check.replace("_", " ")
    if contrast.kind == "stage":
        name = f"{readable}, from {contrast.against} to {contrast.stage},"
    elif contrast.kind == "control":
        name = (
            f"{readable}, from {contrast.against} (trained without pictures) to {contrast.stage},"
        )
    else:
        name = f"{readable} of {contrast.stage}, from {contrast.against.replace('_', ' ')} to full,"
    row = asdict(contrast) | asdict(comparison) | {"p_holm": p_holm}
    if math.isinf(comparison.detectable):
        row["detectable"] = None
    words = paired.sentence(comparison, name, *means)
    if not comparison.moved and not comparison.low <= 0 <= comparison.high:
        words += f"; alone it would have moved, but p = {p_holm:.2f} after Holm"
    return row | {"sentence": words}


def linearised(parts: Parts) -> list[float]:
    """Per-item values whose mean is ΣN/ΣD, for the items to which the check applies.

    Worked: N/D of 1/1 and 0/3 have R = 1/4 and mean(D) = 2: values 0.625 and -0.125, mean 1/4.
    """
    kept = [part for part in parts if part is not None]
    if all(part.denominator == 1 for part in kept):
        # Exactly zeros and ones, which the exact tests recognise.
        return [float(part.numerator) for part in kept]
    total = sum(part.denominator for part in kept)
    ratio = sum(part.numerator for part in kept) / total
    scale = len(kept) / total
    return [ratio + (part.numerator - ratio * part.denominator) * scale for part in kept]


def primary(checks: Collection[str]) -> str | None:
    """Which of the checks that were made decides whether a model uses its pictures; None: none."""
    return next((name for name in PRIMARIES if name in checks), None)


def uses_picture(rows: Sequence[Mapping[str, Any]], stage: str, check: str) -> bool | None:
    """Whether `stage` surely does better by `check` with its picture than under every control.

    True only where the lower bound of full - control is above zero for each of them (an
    intersection-union test, which needs no correction); None where nothing was held against it.
    """
    held = [
        row["low"]
        for row in rows
        if row["stage"] == stage and row["check"] == check and _without_picture(row)
    ]
    return all(low > 0 for low in held) if held else None


def _without_picture(row: Mapping[str, Any]) -> bool:
    """Whether a comparison is with something that had no use of the right picture."""
    if row["kind"] == "condition":
        return CONDITIONS[row["against"]].tells == "picture"
    return bool(row["kind"] == "control")
