"""Whether answers fit their own pictures, where nobody knows what the pictures show.

evaluation/own_picture.json    by whom, how well the references do, and what was looked at already
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeAlias

from haiga import store
from haiga.evaluation import own_picture, self_retrieval
from haiga.evaluation.checks import Part, Parts, clusters, has_scene, score, spread
from haiga.evaluation.conditions import Item
from haiga.evaluation.own_picture import BY_ENCODER, BY_MODEL, CHANCE
from haiga.evaluation.run import Asked
from haiga.models.adapters import load_stage
from haiga.models.device import device
from haiga.pipeline.costing import seeing
from haiga.pipeline.measures import towers_of
from haiga.pipeline.run import Run
from haiga.records import Score
from haiga.store.files import read_json, write_json

FILE: Final = "own_picture.json"
MOST: Final = 500
"""Held-out pictures among which an encoder must tell an answer's own."""
REFERENCES: Final = ("", "references")
Cell: TypeAlias = tuple[str, str]
"""Stage and condition."""
Texts: TypeAlias = dict[Cell, list[str]]
Found: TypeAlias = Mapping[Cell, Parts]


def measure(run: Run, items: Sequence[Item], asked: Asked) -> dict[Cell, dict[str, Parts]]:
    """(stage, condition) -> check -> parts, for the tables of the run.

    By the dual encoder that the run sees through, where it reads texts and surely finds the
    pictures of the references; else by each stage's own likelihoods. Nothing where the truth is
    known, or where there are no two pictures to be told apart.
    """
    if any(map(has_scene, items)):
        return {}
    book = _Book(run)
    name, places = BY_ENCODER, _single(items)
    found, references = _by_encoder(run, book, [items[at] for at in places], _at(asked, places))
    if not found:
        name, places = BY_MODEL, self_retrieval.chosen(items, run.recipe.evaluate.self_retrieval)
        found = _by_model(run, book, [items[at] for at in places], _at(asked, places))
    if not found:
        return {}
    book.close(name, references)
    return {cell: {name: spread(parts, places, len(items))} for cell, parts in found.items()}


class _Book:
    """What was looked at before, by the weights, the pictures and the texts."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._path = run.folder / "evaluation" / FILE
        self._known = (read_json(self._path) or {}).get("looks", {})
        self._used: dict[str, Any] = {}

    def look(
        self, weights: str, items: Sequence[Item], cells: Texts, look: Callable[[], Found]
    ) -> Found:
        """What `look` finds, unless it is known."""
        shown = [picture.id for item in items for picture in item.pictures]
        texts = [[*cell, own] for cell, own in cells.items()]
        key = store.fingerprint([weights, [item.id for item in items], shown, texts])
        kept = self._known.get(key)
        if kept is None:
            found = look()
            kept = [[share and share.numerator for share in found[cell]] for cell in cells]
        self._used[key] = kept
        return {
            cell: [None if share is None else Part(share) for share in shares]
            for cell, shares in zip(cells, kept, strict=True)
        }

    def close(self, name: str, references: Score | None) -> None:
        """Write what stands in the run's tables."""
        said = {
            "by": name,
            "encoder": self._run.recipe.model.tower,
            "references": references and asdict(references),
            "looks": self._used,
        }
        write_json(self._path, said)


def _by_encoder(
    run: Run, book: _Book, items: Sequence[Item], cells: Texts
) -> tuple[Found, Score | None]:
    """Every cell by the run's tower, and the score of the references; no cell where it cannot tell
    their pictures from others."""
    towers = towers_of(run) if len(items) > 1 else None
    if towers is None:
        return {}, None
    asked = {REFERENCES: [item.reference for item in items], **cells}

    def look() -> Found:
        pictures = store.FinalPictures(run.data("04_final").path)
        shown = own_picture.seen(towers, items, pictures)
        return {
            cell: own_picture.by_encoder(towers, shown, items, own) for cell, own in asked.items()
        }

    weights = store.require_manifest(run.base).fingerprint
    found = dict(book.look(weights, items, asked, look))
    good = score(found.pop(REFERENCES), clusters(items), seed=run.recipe.seed)
    return (found if good is not None and good.low > CHANCE else {}), good


def _by_model(run: Run, book: _Book, items: Sequence[Item], cells: Texts) -> Found:
    """The cells of every stage that sees, by its own likelihoods."""
    found: dict[Cell, Parts] = {}
    for stage in seeing(run) if len(items) > 1 else ():
        own = {cell: texts for cell, texts in cells.items() if cell[0] == stage}

        def look(stage: str = stage, own: Texts = own) -> Found:
            vlm = load_stage(run.stage(stage) / "model")
            vlm.model.to(device())
            pictures = store.FinalPictures(run.data("04_final").path)
            return own_picture.by_model(vlm, items, own, pictures, run.features)

        found |= book.look(store.require_manifest(run.stage(stage)).fingerprint, items, own, look)
    return found


def _single(items: Sequence[Item]) -> list[int]:
    return [at for at, item in enumerate(items) if len(item.pictures) == 1][:MOST]


def _at(asked: Asked, places: Sequence[int]) -> Texts:
    return {
        (stage, condition): [answers[at] for at in places]
        for stage, by_condition in asked.items()
        for condition, answers in by_condition.items()
    }
