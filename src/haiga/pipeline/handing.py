"""What each stage of a run learns from, handed to others: rows of chat that TRL trains on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from haiga import store
from haiga.errors import StoreError
from haiga.pipeline.models import groups_of
from haiga.pipeline.run import Run
from haiga.recipe.schema import Stage
from haiga.records import Group
from haiga.sources.conversations import as_messages
from haiga.training.preferences import limited, one_sided, two_sided

SPLITS: Final = ("train", "validation")
_COLUMNS: Final = {
    "messages": ("messages",),
    "preference": ("prompt", "chosen", "rejected"),
    "prompts": ("prompt",),
}
"""TRL's form -> the columns of turns in it."""


class Handed(NamedTuple):
    """One file that was written."""

    stage: str
    split: str
    form: str
    rows: int


def hand_over(run: Run, folder: Path) -> list[Handed]:
    """Write FOLDER/<stage>/<split>.parquet, for every stage that learns to answer pictures.

    A stage that compares answers becomes preferences, one that learns from its own answers prompts,
    any other conversations, a row for each answer. Held-out pictures are in none of them.

    Raises:
        StoreError: the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise StoreError(f"{folder} is not an empty folder; name a new one.")
    pictures = store.FinalPictures(run.data("04_final").path)
    found = []
    for name, stage in run.recipe.stage.items():
        if stage.part != "vlm":
            continue
        form = _form(stage)
        for split in SPLITS:
            groups = groups_of(run.data("04_final"), split, stage)
            rows = _rows(_as_learned(groups, stage, run.recipe.seed), pictures, form)
            path = folder / name / f"{split}.parquet"
            found.append(Handed(name, split, form, store.write_chat(path, rows, _COLUMNS[form])))
    return found


def _form(stage: Stage) -> str:
    if stage.rollout is not None:
        return "prompts"
    return "messages" if stage.rejected is None else "preference"


def _as_learned(groups: Sequence[Group], stage: Stage, seed: int) -> list[Group]:
    if stage.rejected is None:
        made, _ = one_sided(groups)
    else:
        made, _ = two_sided(groups, stage.rejected, stage.tasks, seed)
    return [limited(group, stage.answers) for group in made]


def _rows(
    groups: Sequence[Group], pictures: Mapping[str, bytes], form: str
) -> Iterator[dict[str, Any]]:
    for group in groups:
        said = {"id": group.id, "task": group.task}
        for row in as_messages(group, pictures):
            if form == "prompts":
                first = row["messages"][: len(group.prompt)]
                yield {**said, "images": row["images"], "prompt": first}
                break  # one question, however many answers hang on it
            yield {**said, **row}
