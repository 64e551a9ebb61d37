"""What an audit of pairs says of them in one sentence, by a rule fixed before any run.

First comes what the pairs are for: whether the chosen answer is truer to its picture. By the truth
where it is known, else by a judge.

    real        surely above zero, and at least REAL
    small       surely above zero, and smaller
    wrong       surely below zero: the rejected answers are the truer ones
    none        the whole interval is smaller than REAL either way
    unsure      none of these: there are too few pairs to say
    unknown     no truth is known, and nobody judged

Then, where else the sides differ, because a stage learns whatever tells them apart: form, language,
readability, length. And last what a reader of texts alone makes of them.

REAL is 0.05 of what a score can be. In the write-up that this project comes from, pairs by one
model differed by 0.02 and less on a scale from 1 to 5, which is 0.005 of it, and those with a real
gap by 0.27 in their fit to the picture, which is 0.07. It is a line between two observations, not a
law.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from haiga.evaluation.audit import GROUNDING

REAL: Final = 0.05
"""The smallest gap, of a score from 0 to 1, that training is expected to be moved by."""
JUDGED: Final = 2 * REAL
"""The same of judgements, which lie between -1 and 1."""
LONGER: Final = 0.1
"""How far from one half the share of longer chosen answers must be to be a gap in length."""
TOLD_APART: Final = 0.9
"""The AUC of texts alone from which on a stage needs no picture to tell nearly all pairs apart."""
HEARD: Final = 0.6
"""That from which on they differ in wording at all."""
_GROUNDING: Final = {
    "real": "a real gap in grounding",
    "small": "a gap in grounding too small to be expected to move anything",
    "wrong": "the wrong way round: the rejected answers are truer to their pictures",
    "none": "no gap in grounding",
    "unsure": "too few pairs to say whether there is a gap in grounding",
    "unknown": "nobody knows whether there is a gap in grounding: the content of these pictures is "
    "not known, and no judge is named under [audit]",
}


def grounding(found: Mapping[str, Any]) -> str:
    """Which of the cases above the pairs are; `found` is what an audit found."""
    truth, judged = found["truth"].get(GROUNDING), found.get("judged")
    gap, least = (truth, REAL) if truth is not None else (judged, JUDGED)
    if gap is None:
        return "unknown"
    if gap["moved"]:
        if gap["difference"] < 0:
            return "wrong"
        return "real" if gap["difference"] >= least else "small"
    return "none" if -least < gap["low"] and gap["high"] < least else "unsure"


def verdict(found: Mapping[str, Any]) -> str:
    """The audit in one sentence."""
    case, others = grounding(found), list(_others(found))
    apart = (found["text_only"] or {}).get("mean", 0.5)
    if not others and _is_heard(found):
        others = ["wording"]
    listed = f"{', '.join(others[:-1])} and {others[-1]}" if len(others) > 1 else "".join(others)
    opening = _GROUNDING[case]
    if case == "none" and not others:
        return "no gap: preference training is not expected to move anything"
    if case in ("none", "small") and others:
        return f"{opening}; a gap in {listed} only, which is what would be learned"
    if case == "real" and apart >= TOLD_APART:
        return (
            f"{opening}; but texts alone tell the sides apart (AUC {apart:.2f}), so that it can be "
            "learned without looking at a picture"
        )
    return f"{opening}; besides, a gap in {listed}" if others else opening


def _others(found: Mapping[str, Any]) -> Iterator[str]:
    """Where else the sides surely differ, and by how much it counts."""
    for name in ("form", "language", "readable"):
        side = found["sides"].get(name)
        if side is not None and side["moved"] and abs(side["difference"]) >= REAL:
            yield {"readable": "readability"}.get(name, name)
    longer = found["longer"]
    sure = not longer["low"] <= 0.5 <= longer["high"]
    if sure and abs(longer["mean"] - 0.5) >= LONGER:
        yield "length"


def _is_heard(found: Mapping[str, Any]) -> bool:
    score = found["text_only"]
    return score is not None and score["low"] > 0.5 and score["mean"] >= HEARD
