"""Pictures unlike those that a model was trained on: what it writes, and how the checks move.

    evaluation/strange/          answers, as `run` has them
    evaluation/strange.json      stage -> kind -> check -> Score, and examples

There is nothing in most of them: whatever of the world an answer names is invented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from haiga import events
from haiga.evaluation.checks import CHECKS, Check, Part, Parts, clusters, readable, score
from haiga.evaluation.conditions import Item
from haiga.evaluation.hallucination import every
from haiga.evaluation.run import Stage, evaluate, read_answers
from haiga.records import Picture
from haiga.store import digest
from haiga.store.files import write_json
from haiga.world.lexicon import LEXICONS, lexicon
from haiga.world.strange import KINDS, strange

OF_EACH: Final = 8
HELD_OUT: Final = "held out"


def _names(items: Sequence[Item], answers: Sequence[str]) -> Parts:
    return [_name(item, answer) for item, answer in zip(items, answers, strict=True)]


def _name(item: Item, answer: str) -> Part | None:
    """None in a language for which the world has no words."""
    if (item.language, "things") not in LEXICONS:
        return None
    words = lexicon(item.language, "things")
    return Part(readable(item, answer) and bool(every(answer, words)))


OWN: Final[dict[str, Check]] = {
    **{name: CHECKS[name] for name in ("parsed", "form", "distinct")},
    "names_things": Check(_names, "answers that name a thing of the floating world"),
}


def items_like(item: Item) -> tuple[list[Item], dict[str, bytes]]:
    """`OF_EACH` pictures of every kind, asked about as `item` is; and the pictures' bytes."""
    pictures: dict[str, bytes] = {}
    items = []
    for kind in KINDS:
        for at in range(OF_EACH):
            data = strange(kind, at)
            id = digest(data)
            pictures[id] = data
            items.append(
                replace(item, id=f"{kind}:{at}", pictures=(Picture(id),), reference="", truth={},
                        cluster=f"{kind}:{at}")
            )  # fmt: skip
    return items, pictures


def measure(
    stages: Mapping[str, Stage],
    items: Sequence[Item],
    folder: Path,
    *,
    decoding: Mapping[str, Any],
    seed: int = 0,
    emit: events.Sink = lambda event: None,
) -> dict[str, Any]:
    """Ask `stages` about `items`, and hold each kind against the held-out pictures of the run.

    Args:
        stages: those that see.
        items: of `items_like`.
        folder: the run's `evaluation/`, with the answers to the held-out pictures.
        decoding: part of every answer's key.
        seed: of the bootstrap.
        emit: where progress is told.

    Returns:
        stage -> kind, or "held out" -> "scores" (check -> Score) and "examples" (item, answer).
    """
    evaluate(stages, items, folder / "strange", conditions=["full"], checks=OWN,
             decoding=decoding, seed=seed, emit=emit)  # fmt: skip
    known, asked = read_answers(folder), read_answers(folder / "strange")
    found: dict[str, Any] = {}
    for stage in stages:
        rows = asked[stage]["full"]
        kinds = {kind: [row for row in rows if row["id"].startswith(f"{kind}:")] for kind in KINDS}
        kinds = {HELD_OUT: known.get(stage, {}).get("full", []), **kinds}
        found[stage] = {kind: _of(own, seed) for kind, own in kinds.items() if own}
    write_json(folder / "strange.json", found)
    return found


def _of(rows: Sequence[Mapping[str, Any]], seed: int) -> dict[str, Any]:
    items = [
        Item(row["id"], (), tuple(map(Picture, row["pictures"])), task=row["task"],
             language=row["language"])
        for row in rows
    ]  # fmt: skip
    answers = [row["answer"] for row in rows]
    groups = clusters(items)
    cells = {name: score(check.score(items, answers), groups, seed=seed)
             for name, check in OWN.items()}  # fmt: skip
    return {
        "scores": {name: asdict(cell) for name, cell in cells.items() if cell is not None},
        "examples": [[row["id"], row["answer"]] for row in rows[:2]],
    }
