"""Whether answers fit their own pictures, where nobody knows what the pictures show.

evaluation/own_picture.json    by which encoder, how well the references do, and every score
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final, TypeAlias

from haiga import store
from haiga.evaluation import own_picture
from haiga.evaluation.checks import Part, Parts, clusters, has_scene, score, spread
from haiga.evaluation.conditions import Item
from haiga.evaluation.own_picture import CHANCE, OWN_PICTURE
from haiga.evaluation.run import Asked
from haiga.models.towers import Towers, load_towers
from haiga.pipeline.measures import towers_of
from haiga.pipeline.run import Run, checkpoint
from haiga.store.files import read_json, write_json

FILE: Final = "own_picture.json"
MOST: Final = 500
"""Held-out pictures among which an answer's own must be told."""
REFERENCES: Final = ("", "references")
Cell: TypeAlias = tuple[str, str]
"""Stage and condition."""


def measure(run: Run, items: Sequence[Item], asked: Asked) -> dict[Cell, dict[str, Parts]]:
    """(stage, condition) -> check -> parts, for the tables of the run.

    By the encoder that the recipe names, else by the one that the run sees through, where it reads
    texts; and only where it surely finds the pictures of the references. Nothing where the truth is
    known, or where there are no two pictures to be told apart.

    Raises:
        ModelError: the encoder that the recipe names is no dual encoder.
    """
    places = [at for at, item in enumerate(items) if len(item.pictures) == 1][:MOST]
    if any(map(has_scene, items)) or len(places) < 2:
        return {}
    chosen = [items[at] for at in places]
    cells = {REFERENCES: [item.reference for item in chosen]}
    for stage, by_condition in asked.items():
        for condition, answers in by_condition.items():
            cells[stage, condition] = [answers[at] for at in places]
    found = _scores(run, chosen, cells)
    if found is None:
        return {}
    good = score(found.pop(REFERENCES), clusters(chosen), seed=run.recipe.seed)
    believed = good is not None and good.low > CHANCE
    path = run.folder / "evaluation" / FILE
    said = {"references": good and asdict(good), "believed": believed}
    write_json(path, {**(read_json(path) or {}), **said})
    if not believed:
        return {}
    return {cell: {OWN_PICTURE: spread(parts, places, len(items))} for cell, parts in found.items()}


def _scores(
    run: Run, items: Sequence[Item], cells: dict[Cell, list[str]]
) -> dict[Cell, Parts] | None:
    """What the encoder says of every cell, unless that is known; None where there is none."""
    encoder = run.recipe.evaluate.encoder or run.recipe.model.tower
    base = store.require_manifest(run.base).fingerprint
    shown = [picture.id for item in items for picture in item.pictures]
    texts = [[*cell, own] for cell, own in cells.items()]
    key = store.fingerprint([encoder, base, [item.id for item in items], shown, texts])
    path = run.folder / "evaluation" / FILE
    known: dict[str, Any] = read_json(path) or {}
    if known.get("key") != key:
        towers = _towers(run)
        if towers is None:
            return None
        seen = own_picture.seen(towers, items, store.FinalPictures(run.data("04_final").path))
        found = [own_picture.by_encoder(towers, seen, items, own) for own in cells.values()]
        shares = [[part and part.numerator for part in parts] for parts in found]
        known = {"key": key, "encoder": encoder, "shares": shares}
        write_json(path, known)
    return {
        cell: [None if share is None else Part(share) for share in shares]
        for cell, shares in zip(cells, known["shares"], strict=True)
    }


def _towers(run: Run) -> Towers | None:
    named = run.recipe.evaluate.encoder
    return load_towers(checkpoint(named)) if named else towers_of(run)
