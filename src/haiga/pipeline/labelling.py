"""People label pairs of a run's answers, and the judge is measured by them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from haiga import store
from haiga.errors import DataError, RecipeError
from haiga.evaluation.rating import labels
from haiga.evaluation.rating.labels import ENOUGH, Pair, Sheet
from haiga.pipeline.hearings import hearing_of, read_texts
from haiga.pipeline.questions import items_of
from haiga.pipeline.run import Run
from haiga.serving.labelling import serve

PAIRS: Final = "pairs.jsonl"


def label(run: Run, who: str, *, count: int = ENOUGH, port: int = 0) -> int:
    """Serve pairs of the run's answers on this machine until they are labelled, or Ctrl-C.

    Returns:
        How many of them `who` has labelled.

    Raises:
        RecipeError: `who` cannot name a file.
        DataError: there is nothing to choose between.
    """
    if not re.fullmatch(r"[\w-]+", who) or who == Path(PAIRS).stem:
        raise RecipeError(f"--by {who}: use letters, digits, '_' and '-'; it names a file.")
    pairs = pairs_of(run, count)
    sheet = Sheet(pairs, folder(run) / f"{who}.jsonl", who)
    pictures = store.FinalPictures(run.data("04_final").path)
    try:
        serve(
            sheet,
            pictures,
            port=port,
            ready=lambda address: print(
                f"{sheet.labelled} of {len(pairs)} pairs are labelled. Open {address} in a browser "
                "on this machine; Ctrl-C stops, and the same command goes on.",
                flush=True,
            ),
        )
    finally:
        _write_preferences(run, pairs)
    return sheet.labelled


def folder(run: Run) -> Path:
    """Where the labels are."""
    return run.folder / "evaluation" / "labels"


def pairs_of(run: Run, count: int) -> list[Pair]:
    """The pairs that people are shown: the answers of each stage with its picture beside those of
    the stage that it started from, and beside the texts that were written about the pictures.

    Raises:
        DataError: there is nothing to choose between.
    """
    hearing = hearing_of(run, items_of(run), read_texts(run))
    pairs = labels.draw(hearing.duels, count, run.recipe.seed)
    if not pairs:
        raise DataError(
            f"{run.folder / 'evaluation'}: no two answers to one picture can be chosen between. "
            "Run `haiga evaluate` first; answers that cannot be read are shown to nobody."
        )
    return pairs


def _write_preferences(run: Run, pairs: list[Pair]) -> None:
    """The pairs with a winner, with their pictures, for a source of another recipe."""
    rows = labels.preferences(pairs, labels.consensus(labels.read(folder(run))))
    if not rows:
        return
    pictures = store.FinalPictures(run.data("04_final").path)
    for pair in pairs:
        for picture in pair.duel.item.pictures:
            path = folder(run) / "pictures" / picture.id
            if not path.exists():
                store.write_atomically(path, pictures[picture.id])
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    store.write_atomically(folder(run) / PAIRS, lines.encode())
