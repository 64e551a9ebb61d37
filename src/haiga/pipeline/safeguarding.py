"""The safety checks of a recipe: their models, and the pictures that people have cleared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from haiga import store
from haiga.curation.safety import SAFETY, TASK, Looking, judged
from haiga.errors import HaigaError
from haiga.pipeline import gating
from haiga.pipeline.run import Run, checkpoint
from haiga.recipe.bind import bind
from haiga.recipe.curating import Curate

if TYPE_CHECKING:
    from haiga.curation.classifier import Classifier

STAGE: Final = "01_filtered"
Row: TypeAlias = dict[str, Any]
Values: TypeAlias = Mapping[str, dict[str, Any]]


def options(run: Run) -> dict[str, Any]:
    """What 01_filtered depends on besides its rules: the checks, and the pictures cleared.

    Raises:
        DataError: the decisions cannot be read.
    """
    checks = run.recipe.curate.safety
    if not checks:
        return {}
    said = {key: each[:2] for key, each in gating.decisions(run).items() if each.task == TASK}
    return {"safety": list(checks), "decisions": said}


def faults(section: Curate) -> Iterator[str]:
    """What is wrong with the checks of a recipe."""
    for at, check in enumerate(section.safety):
        path = f"curate.safety.{at}"
        try:
            bound = bind(SAFETY, check, path)
        except HaigaError as error:
            yield str(error)
            continue
        for option in {"tower", "model"} & bound.keywords.keys():
            try:
                checkpoint(bound.keywords[option])
            except HaigaError as error:
                yield f"{path}.{option}: {error}"


def models(run: Run) -> Callable[[Sequence[Row], Values], Values] | None:
    """Says of every picture what the checks find; None where there are none."""
    if not run.recipe.curate.safety:
        return None
    checks = [
        bind(SAFETY, check, f"curate.safety.{at}")
        for at, check in enumerate(run.recipe.curate.safety)
    ]
    files = store.PictureFiles(run.data("00_raw").path)

    def found(rows: Sequence[Row], measured: Values) -> Values:
        looking = Looking(gating.encoders(run), _classifiers(run), files)
        values, entries = judged(
            rows, lambda id: "error" not in measured[id], checks, looking, gating.decisions(run)
        )
        folder = run.folder / "data"
        placed = [
            each._replace(picture=files.path(each.picture).relative_to(folder).as_posix())
            for each in entries
        ]
        gating.list_for_review(run, placed, STAGE)
        return values

    return found


def _classifiers(run: Run) -> Callable[[str], Classifier]:
    from haiga.curation.classifier import Classifier  # torch

    return cache(lambda name: Classifier(name, checkpoint(name), run.folder / "features"))
