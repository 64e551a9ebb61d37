"""Texts that were written about one picture, ranked by what they are worth: pairs to prefer by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from haiga.text.pairing import Scored, widest

Row: TypeAlias = Mapping[str, Any]
Text: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Ranking:
    """How the texts of a task are ranked."""

    score: Callable[[Row, Sequence[str]], Sequence[float | None]]
    """(row, texts) -> what each is worth; None where that cannot be said."""
    gap: float
    length: float


def ranked(row: Row, texts: Sequence[Text], rankings: Mapping[str, Ranking]) -> list[Text]:
    """A row's texts, of each ranked task one as the rejected answer of a better one.

    Only chosen texts that have no rejected one yet are ranked, and each has its "score". The pair
    is `text.pairing.widest`'s; where there is none, all stay chosen.
    """
    found = [dict(text) for text in texts]
    for task, ranking in rankings.items():
        taken = {text["of"] for text in found if text.get("of")}
        own = [
            text
            for text in found
            if text["task"] == task and _is_chosen(text) and text["text"] not in taken
        ]
        scores = ranking.score(row, [text["text"] for text in own])
        for text, score in zip(own, scores, strict=True):
            text["score"] = score
        known = [Scored(text["text"], text["score"]) for text in own if text["score"] is not None]
        pair = widest(known, ranking.gap, ranking.length)
        for text in own:
            if pair is not None and text["text"] == pair[1]:
                text |= {"kind": "rejected", "of": pair[0]}
    return found


def _is_chosen(text: Text) -> bool:
    return (text.get("kind") or "chosen") == "chosen" and not text.get("of")
