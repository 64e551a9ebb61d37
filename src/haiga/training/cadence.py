"""How often a stage is validated, and at how much and how often it is looked at, so that looking
takes a twentieth of its time and validation a tenth.

What a look and a step cost is counted in tokens: one that is read is 1, one that is learned from 3
(forward, and twice that back), and one that is written alone `WRITING`. The count is a function of
the recipe and the data, so that a run that goes on looks when it would have looked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Final

from haiga.batches.render import Rendered
from haiga.recipe.schema import Stage, Watch
from haiga.training.look import COMPARED, looked_at

PICTURES: Final = (32, 16)
"""Held-out prompts that are answered: so many, or half where `FEWEST` looks at all cost too much.
The rules mind how few there are (`watch.halved`)."""
SHARE: Final = 1 / 20
"""Of the time of the steps, for all looks together."""
MOST: Final = 12
"""Looks after the first step, where they cost next to nothing."""
FEWEST: Final = 2
"""A rule that stops a stage must speak at two looks in a row. The second may be the last one of the
stage: its best weights are then put back all the same."""
WRITING: Final = 11
"""Tokens that could be read in the time in which one is written, by the world's small model on a
CPU, to 16 prompts. At 9, looks took 4.8 to 5.5 % of 240 steps of pairs: docs/experiments.md."""
LEARNING: Final = 3
VALIDATIONS: Final = (8, 4)
"""Of a stage, the last one at its end: so many, or down to half where they cost too much. A warning
needs two."""
VALIDATING: Final = 1 / 10
"""Of the time of the steps, for all validations together."""


def validations_apart(stage: Stage, held: Sequence[object], steps: int) -> int:
    """Steps from validation to validation, where held-out rows are as long as the others."""
    most, fewest = VALIDATIONS
    cost = len(held) / (LEARNING * stage.batch)
    affordable = most if not cost else math.floor(VALIDATING * steps / cost)
    return math.ceil(steps / min(most, max(fewest, affordable)))


def looks(
    stage: Stage, watch: Watch, held: Sequence[Rendered], train: Sequence[Rendered], steps: int
) -> tuple[list[Rendered], int]:
    """The rows that a stage of so many steps is looked at by, and the steps from look to look."""
    sizes = (watch.pictures,) if watch.pictures else PICTURES
    if watch.every is not None:
        return looked_at(held, sizes[0]), watch.every
    for size in sizes:
        rows = looked_at(held, size)
        price = cost(stage, rows, train)
        if _affordable(steps, price) >= FEWEST:
            break
    return rows, apart(steps, price)


def apart(steps: int, cost: float) -> int:
    """Steps from look to look, where one costs as much as `cost` steps.

    With a look before the first step and one after the last, looks take at most `SHARE` of the
    time of the steps; where that leaves fewer than `FEWEST` after the start, these are taken.
    """
    return math.ceil(steps / min(MOST, max(FEWEST, _affordable(steps, cost))))


def _affordable(steps: int, cost: float) -> int:
    """Looks after the start."""
    return math.floor(SHARE * steps / cost) - 1


def cost(stage: Stage, looked_at: Sequence[Rendered], train: Sequence[Rendered]) -> float:
    """What a look at these rows costs, in steps of the stage."""
    return sum(map(_look, looked_at)) / (stage.batch * fmean(_step(stage, row) for row in train))


def _look(row: Rendered) -> float:
    """Prompt and known answers are read, an answer as long as the first is written, and some of
    what is written is read by the model as it started."""
    read = len(row.prefix) + sum(len(each.ids) for each in row.answers)
    again = (len(row.prefix) + _length(row)) / COMPARED
    return read + again + WRITING * _length(row)


def _step(stage: Stage, row: Rendered) -> float:
    """A row's part of a step; of a rollout, its part of writing the samples and learning from
    them."""
    if stage.rollout is None:
        return LEARNING * (len(row.prefix) + sum(len(each.ids) for each in row.answers))
    how, written = stage.rollout, stage.rollout.samples * _length(row)
    learning = LEARNING * (len(row.prefix) + written) / how.minibatches
    return learning + (len(row.prefix) + WRITING * written) / (how.minibatches * how.epochs)


def _length(row: Rendered) -> int:
    """How long an answer will be, as far as the first known one tells."""
    return len(row.answers[0].ids)
