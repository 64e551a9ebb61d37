"""The report's sentences. Each is derived from figures that stand on the same page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from haiga.events import Event
from haiga.text.mentions import find
from haiga.world.lexicon import lexicon


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an answer, and whether it names something "true", "false" or nothing ("")."""

    text: str
    mark: str = ""


def percent(share: float) -> str:
    """A share as whole per cent; with a decimal where it would read as 0 or 100 and is not."""
    whole = share in (0, 1) or 0.01 <= share <= 0.99
    return f"{100 * share:.{0 if whole else 1}f} %"


def interval(cell: Mapping[str, float]) -> str:
    """The bounds of a share, in per cent; with a decimal where they lie within two points."""
    places = 1 if 0 < cell["high"] - cell["low"] < 0.02 else 0
    return f"{100 * cell['low']:.{places}f} to {100 * cell['high']:.{places}f}"


def bounds(cell: Mapping[str, float]) -> str:
    """A score with its interval: "0.67 [0.61, 0.72]"."""
    return f"{cell['mean']:.2f} [{cell['low']:.2f}, {cell['high']:.2f}]"


def points(difference: float) -> str:
    """A signed difference of shares, in percentage points."""
    return f"{100 * difference:+.1f}".replace("-", "\u2212") + " points"


def duration(seconds: float) -> str:
    """Seconds as a person says them: "12 s", "3 min 20 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def marked(row: Mapping[str, Any]) -> list[Piece]:
    """A row's answer, cut where it names things that are in its picture or are not.

    Without a known scene the answer is one unmarked piece; an answer of white space is none.
    """
    text, scene = row["answer"], row.get("truth", {}).get("scene")
    if not text.strip():
        return []
    if not scene:
        return [Piece(text)]
    forms = lexicon(row["language"], "things")
    names = {
        form.casefold(): "true" if name in scene["things"] else "false"
        for name in find(text, forms)
        for form in forms[name]
    }
    if not names:
        return [Piece(text)]
    ordered = "|".join(re.escape(form) for form in sorted(names, key=len, reverse=True))
    bound = r"\b" if row["language"] != "ja" else ""
    cut = re.split(f"({bound}(?:{ordered}){bound})", text, flags=re.IGNORECASE)
    return [Piece(piece, names.get(piece.casefold(), "")) for piece in cut if piece]


def looking(events: Mapping[str, Sequence[Event]]) -> str:
    """What it cost to watch the stages that were watched; nothing to say where none was."""
    shares = []
    for stage, seen in events.items():
        looks, steps = (
            sum(event.get("seconds", 0.0) for event in seen if event["kind"] == kind)
            for kind in ("look", "step")
        )
        if looks:
            shares.append(f"{percent(looks / (looks + steps))} of the time of {stage}")
    return f"Looking took {', '.join(shares)}." if shares else ""


WRITING = ("02_captioned", "03_quality_checked")
"""Stages that ask the teachers of a recipe to write; other calls judge."""
SPENT = ("tokens_in", "tokens_out", "dollars", "hours")


def spent(ledger: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Calls, tokens and dollars by model, and the hours of machines, the dearest first."""
    totals: dict[str, dict[str, Any]] = {}
    for row in ledger:
        model = str(row.get("model") or row.get("teacher") or "unnamed")
        total = totals.setdefault(model, {"model": model, "calls": 0} | dict.fromkeys(SPENT, 0))
        total["calls"] += "hours" not in row and "lost" not in row
        for key in SPENT:
            total[key] += row.get(key) or 0
    return sorted(totals.values(), key=lambda total: -total["dollars"])
