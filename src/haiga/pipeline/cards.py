"""The cards of a run: of the model that it made, and of the data that it was made from.

cards/<stage>.md         the last stage that sees; `haiga export` puts it beside the model
cards/data.md            what is in 04_final, and what was left out
cards/attribution.csv    a row a picture: who made it, and its licence
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from haiga import store
from haiga.pipeline.costing import seeing
from haiga.pipeline.run import Run
from haiga.reporting.cards import model_card
from haiga.reporting.data_card import DataFacts, attribution, data_card
from haiga.reporting.facts import RunFacts
from haiga.serving.opened import CARDS

SPLITS = ("train", "validation", "held_out")
LONGEST = 300
"""Characters of what a source says in one field; longer ones are texts, and no attribution."""
NO_CREDIT = ("picture", "fault")
"""The picture's id, which stands first; what the floating world knows of how it spoilt a print."""


def write(run: Run, facts: RunFacts) -> None:
    """All cards of the run, from what the report is made of."""
    final = run.data("04_final").path
    folder = run.folder / CARDS
    data = _data(final)
    made = {f"{stage}.md": model_card(facts, stage) for stage in seeing(run)[-1:]}
    made |= {"data.md": data_card(facts, data), "attribution.csv": attribution(data.attributions)}
    for name, text in made.items():
        store.write_atomically(folder / name, text.encode())


def _data(final: Path) -> DataFacts:
    splits: dict[str, dict[str, int]] = {}
    languages: Counter[str] = Counter()
    credit: dict[str, dict[str, str]] = {}
    for split in SPLITS:
        groups = store.read_groups(final, split)
        shown = {picture.id for group in groups for picture in group.pictures}
        splits[split] = {"pictures": len(shown), **Counter(group.task for group in groups)}
        languages.update(group.language for group in groups)
        for group in groups:
            for picture in group.pictures:
                credit.setdefault(picture.id, {"picture": picture.id, **_said(group.meta)})
    return DataFacts(splits, languages, list(credit.values()))


def _said(meta: Any) -> dict[str, str]:
    """What stands for itself among what a source knows."""
    return {
        name: str(value)
        for name, value in meta.items()
        if isinstance(value, (str, int)) and name not in NO_CREDIT and len(str(value)) <= LONGEST
    }
