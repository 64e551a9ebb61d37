"""Who knows what the floating world's prints show: a judge to rehearse with, offline and free.

It finds names in texts and counts words. It knows nothing of poems, so what it says is no judgement
of one; but it is asked, answers and is held to controls as a judge is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from haiga.errors import TeacherError
from haiga.teachers.client import Request, Response
from haiga.teachers.exchanges.words import fenced_off
from haiga.text.mentions import find
from haiga.text.readable import readable
from haiga.text.scripts import tokens
from haiga.world.lexicon import lexicon

WITNESS_VERSION: Final = 1
_KINDS: Final = {"things": "things", "seasons": "season", "settings": "setting"}
"""Kinds of names, and where the truth has them."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Judges texts by the truth that the floating world left in a picture's meta."""

    name: str = "witness"
    at_once: int = 1

    def ask(self, request: Request) -> Response:
        asked = (request.schema or {}).get("properties", {})
        # The first text that stands between marks is what the writer was asked.
        texts = fenced_off(request.prompt)[1:]
        if "grounding" in asked and len(texts) == 1:
            said = _rating(request, texts[0])
        elif "better" in asked and len(texts) == 2:
            worth = [_scores(request, text) for text in texts]
            better = ("equal", "first", "second")[(worth[0] > worth[1]) + 2 * (worth[0] < worth[1])]
            said = {"evidence": [], "better": better}
        else:
            raise TeacherError(
                "The witness writes nothing: it judges one text or two. Name it as a judge."
            )
        return Response(json.dumps(said), model=self.name)


def witness() -> Witness:
    """The floating world's witness; it takes no options."""
    return Witness()


def _rating(request: Request, text: str) -> dict[str, Any]:
    said = tokens(text)
    repeats = len(set(said)) < 0.75 * len(said)
    grounding, style, craft = _scores(request, text)
    return {
        "evidence": sorted(_true(request.meta)),
        "grounding": grounding,
        "style": style,
        "craft": craft,
        "flags": ["repeats"] if repeats else [],
    }


def _scores(request: Request, text: str) -> tuple[int, int, int]:
    """Grounding: the share of names that are true, and a point off for a single one. Style: an
    answer at all, to the task. Craft: words that are not said twice. In this order they decide
    between two texts."""
    said = tokens(text)
    named = set().union(*(find(text, lexicon(request.language, kind)) for kind in _KINDS))
    true = len(named & _true(request.meta))
    grounding = 1 + round(4 * true / len(named)) - (true == 1) if named else 1
    task = request.task.partition(".")[0]
    return (
        max(1, grounding),
        5 if readable(text, task, request.language) else 1,
        1 + round(4 * len(set(said)) / len(said)) if said else 1,
    )


def _true(meta: Mapping[str, Any]) -> set[str]:
    """Everything that is in the picture; nothing where that is not known."""
    scene = meta.get("scene")
    return {*scene["things"], scene["season"], scene["setting"]} if scene else set()
