"""Which texts are preferred to which, by the rewards that a recipe names under [curate.rank]."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from haiga import store
from haiga.curation.breaker import stop_if_most_fail
from haiga.curation.ranking import Ranking
from haiga.errors import HaigaError
from haiga.pipeline.run import Run, checkpoint
from haiga.recipe.curating import Rank
from haiga.recipe.schema import Recipe
from haiga.records import Group, Picture
from haiga.rewards import LEARNED
from haiga.rewards.base import Sample
from haiga.rewards.combine import Part, combine, parts

MADE: Final = ("stage:", "critic:")
"""What a run makes only after its data."""


def options(run: Run) -> dict[str, Any]:
    """What 03_quality_checked depends on besides; nothing where no texts are ranked."""
    ranked = run.recipe.curate.rank
    written = {task: each.model_dump(mode="json") for task, each in ranked.items()}
    return {"rank": written} if written else {}


def rankings(run: Run) -> dict[str, Ranking]:
    """Task -> how its texts are ranked.

    A score raises DataError where most texts cannot be scored.

    Raises:
        RecipeError: a reward that there is not, or a checkpoint.
    """
    files = store.PictureFiles(run.data("00_raw").path)
    return {
        task: Ranking(
            score=_Ranker(_parts(section, _path(task)), task, files),
            gap=section.gap,
            length=section.length,
        )
        for task, section in run.recipe.curate.rank.items()
    }


def faults(recipe: Recipe) -> Iterator[str]:
    """Rewards that cannot be asked before there is a model, and tasks with one text alone."""
    calls = recipe.teach.calls() if recipe.teach is not None else {}
    for task, section in recipe.curate.rank.items():
        path = _path(task)
        if calls.get(task, 2) < 2:
            yield f"{path}: of one text there is no pair; raise teach.answers"
        for at, reward in enumerate(section.rewards):
            asked = str(reward.get(LEARNED.get(reward["name"], ""), ""))
            if asked.startswith(MADE):
                yield (
                    f"{path}.rewards.{at}: {asked} is made by the run, after its data; name a "
                    "checkpoint that is there"
                )
                return
        try:
            _parts(section, path)
        except HaigaError as error:
            yield str(error)


def _path(task: str) -> str:
    return f"curate.rank.{task}"


def _parts(section: Rank, path: str) -> tuple[Part, ...]:
    components = []
    for reward in section.rewards:
        option = LEARNED.get(reward["name"])
        place = {option: str(checkpoint(reward[option]))} if option and option in reward else {}
        components.append({**reward, **place})
    return parts(components, f"{path}.rewards")


class _Ranker:
    """What the texts of a task are worth, row by row, until most cannot be scored."""

    def __init__(self, own: Sequence[Part], task: str, pictures: Mapping[str, bytes]) -> None:
        self._parts, self._task, self._pictures = own, task, pictures
        self._failures: list[str] = []
        self._tried = 0

    def __call__(self, row: Mapping[str, Any], texts: Sequence[str]) -> list[float | None]:
        group = Group(
            id=row["id"],
            prompt=(),
            answers=(),
            pictures=tuple(map(Picture, row["pictures"])),
            task=self._task,
            language=row["language"],
            meta=json.loads(row["meta"]),
        )
        samples = [Sample(group, text, self._pictures) for text in texts]
        totals = combine(samples, self._parts).totals
        self._tried += len(totals)
        self._failures += [each.why for each in totals if each.value is None]
        stop_if_most_fail(
            f"texts to be ranked under {_path(self._task)}", self._failures, self._tried
        )
        return [each.value for each in totals]
