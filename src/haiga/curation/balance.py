"""Concept balance of a training split: the head is thinned, the tail stays whole.

MetaCLIP (Xu et al. 2023, arXiv:2309.16671) keeps a text with probability min(1, t / count) for each
of its concepts, and any of them is enough. In expectation, that is: a frequent concept comes along
with rare ones and ends above t. A strict cap takes rows in a drawn order and refuses one that has a
full concept, and keeps fewer. How far each concept ends above the cap is counted, either way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

Concepts: TypeAlias = Sequence[Collection[str]]
"""For each row the concepts that it has."""
SHOWN: Final = 20


def in_expectation(concepts: Concepts, cap: int, seed: int) -> list[bool]:
    """Which rows stay, by MetaCLIP's sampling; one without a concept does not."""
    counts = count(concepts)
    rng = np.random.default_rng([seed, 0xBA1])
    kept = []
    for own in concepts:
        shares = [min(1.0, cap / counts[name]) for name in sorted(own)]
        draws = rng.random(len(shares))  # drawn for all, so that one row does not shift the next
        kept.append(bool((draws < shares).any()))
    return kept


def strictly(concepts: Concepts, cap: int, seed: int) -> list[bool]:
    """Which rows stay, if no concept may have more than `cap`; one without a concept does not."""
    full: Counter[str] = Counter()
    kept = [False] * len(concepts)
    for at in np.random.default_rng([seed, 0xBA2]).permutation(len(concepts)):
        own = concepts[at]
        if own and all(full[name] < cap for name in own):
            full.update(own)
            kept[at] = True
    return kept


METHODS: dict[str, Callable[[Concepts, int, int], list[bool]]] = {
    "expectation": in_expectation,
    "strict": strictly,
}
"""Name -> (concepts, cap, seed): which rows stay."""


def count(concepts: Concepts) -> Counter[str]:
    """Concept -> how many rows have it."""
    counts: Counter[str] = Counter()
    for own in concepts:
        counts.update(set(own))
    return counts


def realised(concepts: Concepts, kept: Sequence[bool], cap: int) -> dict[str, Any]:
    """What came of it: the rows that stayed, and how far concepts ended above the cap.

    `head` are the concepts that began above it, as (concept, before, after, after / cap).
    """
    before = count(concepts)
    after = count([own for own, stays in zip(concepts, kept, strict=True) if stays])
    head = sorted((n, name) for name, n in before.items() if n > cap)[::-1]
    ratios = [after[name] / cap for _, name in head]
    return {
        "cap": cap,
        "rows": len(kept),
        "kept": sum(kept),
        "without_concept": sum(not own for own in concepts),
        "concepts": len(before),
        "above_cap_before": len(head),
        "above_cap_after": sum(ratio > 1 for ratio in ratios),
        "worst": max(ratios, default=0.0),
        "median": float(np.median(ratios)) if ratios else 0.0,
        "head": [(name, n, after[name], after[name] / cap) for n, name in head[:SHOWN]],
    }


def balanced(
    rows: Sequence[str],
    concepts: Concepts,
    method: str,
    *,
    cap: int,
    keep_unmatched: bool,
    seed: int,
) -> tuple[dict[str, str], dict[str, Any]]:
    """Row -> why it leaves, and what came of it (`realised`)."""
    kept = METHODS[method](concepts, cap, seed)
    if keep_unmatched:
        kept = [stays or not own for stays, own in zip(kept, concepts, strict=True)]
    out: Mapping[str, str] = {
        id: "over the cap of its concepts" if own else "has no concept"
        for id, own, stays in zip(rows, concepts, kept, strict=True)
        if not stays
    }
    return dict(out), {"method": method, **realised(concepts, kept, cap)}
