"""Rewards added up by weight, each sample by itself; what could not be scored is named."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from haiga.errors import DataError, RecipeError
from haiga.recipe.bind import bind, options
from haiga.rewards import LEARNED, REWARDS
from haiga.rewards.base import Reward, Sample, Scored

Column: TypeAlias = tuple[Scored | None, ...]


@dataclass(frozen=True)
class Part:
    """One reward of a sum."""

    name: str
    reward: Reward
    _: KW_ONLY
    weight: float = 1.0
    """0: measured and logged, and nothing more."""
    tasks: frozenset[str] = frozenset()
    """The tasks that it is for; none stands for all."""


@dataclass(frozen=True, slots=True)
class Rewarded:
    """What samples are worth, in their order."""

    totals: tuple[Scored, ...]
    """The weighted sums. A sample with a part that has no score has no total: it is left out of
    its group's baseline, and learns nothing."""
    parts: Mapping[str, Column]
    """The scores before they are weighted; None where a part is not for the sample's task."""


def parts(components: Sequence[Mapping[str, Any]], path: str) -> tuple[Part, ...]:
    """The parts that a recipe lists: components with `weight` (1) and `tasks` (all) beside options.

    Raises:
        RecipeError: all that is wrong with one of them, or a name that is given twice.
    """
    found = []
    for at, component in enumerate(components):
        place = f"{path}.{at}"
        own = options(Part)
        rest = {key: value for key, value in component.items() if key not in own}
        reward = bind(REWARDS, rest, place)
        name = str(component["name"])
        standing = {"name": name} | {key: component[key] for key in own if key in component}
        part = bind({name: Part}, standing, place)(name, reward)
        if not math.isfinite(part.weight):
            raise RecipeError(f"{place}.weight: must be finite, not {part.weight}")
        found.append(part)
    twice = [name for name, count in Counter(part.name for part in found).items() if count > 1]
    if twice:
        raise RecipeError(f"{path}: {twice[0]} is given twice; give it once, with both weights")
    return tuple(found)


def combine(samples: Sequence[Sample], parts: Sequence[Part]) -> Rewarded:
    """Score `samples` by every part, and add up."""
    columns = {part.name: _column(samples, part) for part in parts}
    return Rewarded(
        totals=tuple(
            _total([(part, columns[part.name][at]) for part in parts if part.weight])
            for at in range(len(samples))
        ),
        parts=columns,
    )


def _column(samples: Sequence[Sample], part: Part) -> Column:
    places = [
        at for at, sample in enumerate(samples) if not part.tasks or sample.group.task in part.tasks
    ]
    scores = part.reward([samples[at] for at in places]) if places else []
    column: list[Scored | None] = [None] * len(samples)
    for at, scored in zip(places, scores, strict=True):
        finite = scored.value is None or math.isfinite(scored.value)
        column[at] = scored if finite else Scored(None, f"The score is {scored.value}.")
    return tuple(column)


def _total(scores: Sequence[tuple[Part, Scored | None]]) -> Scored:
    """The sum of one sample's scores by the parts that are for it."""
    own = [(part, scored) for part, scored in scores if scored is not None]
    if not own:
        return Scored(None, "No reward is for its task.")
    failed = [f"{part.name}: {scored.why}" for part, scored in own if scored.value is None]
    if failed:
        return Scored(None, " ".join(failed))
    return Scored(sum(part.weight * (scored.value or 0.0) for part, scored in own))


def metrics(rewarded: Rewarded) -> dict[str, float]:
    """Means over what was scored, and how many were not: `reward`, `reward/form`, `unscored/form`.

    A mean without a score is left out; a count is always there.
    """
    columns: dict[str, Sequence[Scored | None]] = {"": rewarded.totals}
    columns |= {f"/{name}": column for name, column in rewarded.parts.items()}
    found: dict[str, float] = {}
    for name, column in columns.items():
        values = [each.value for each in column if each is not None and each.value is not None]
        if values:
            found[f"reward{name}"] = sum(values) / len(values)
        found[f"unscored{name}"] = sum(each is not None and each.value is None for each in column)
    return found


def judging_itself(
    components: Sequence[Mapping[str, Any]], judges: Mapping[str, str], path: str
) -> list[str]:
    """Faults: the rewards that ask a checkpoint by which the run is also evaluated.

    A model gets better at pleasing whom it is rewarded by, and a judge that is pleased tells no
    more. `judges` are the evaluation's checkpoints, by where they stand in the recipe.
    """
    standing = {Path(checkpoint).resolve(): place for place, checkpoint in judges.items()}
    faults = []
    for at, component in enumerate(components):
        option = LEARNED.get(component["name"], "")
        # An option that is missing is another fault, and another's to name.
        judge = standing.get(Path(str(component.get(option))).resolve())
        if option and judge:
            faults.append(
                f"{path}.{at}.{option}: {component[option]} is also the judge in {judge}; "
                "evaluate by one that no reward has asked"
            )
    return faults


def require_scores(rewarded: Rewarded) -> None:
    """Stop where a reward could not score one single sample: that is no odd text, but a mistake.

    Meant for the first step of a training, whose later steps live with what they cannot score.

    Raises:
        DataError: the parts, each with its first reason.
    """
    lines = [
        f"The reward {name!r} could not score a single one of {len(own)} samples. {own[0].why}"
        for name, column in rewarded.parts.items()
        if (own := [each for each in column if each is not None])
        and all(each.value is None for each in own)
    ]
    if lines:
        raise DataError("\n".join(lines))
