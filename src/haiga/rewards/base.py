"""What every reward is: a function that gives each sample a score, or the reason for none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Annotated, Any, TypeAlias

from annotated_types import Ge, Le

from haiga.errors import HaigaError
from haiga.records import Group


@dataclass(frozen=True, slots=True)
class Sample:
    """What a model wrote to one prompt. Samples of one prompt share its group."""

    group: Group
    """The prompt, its pictures and their truth; its answers are texts of others to the same."""
    text: str
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """Where the bytes of the group's pictures are read, by a reward that looks at them."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A score, or None and the sentence that says why there is none."""

    value: float | None
    why: str = ""


Share: TypeAlias = Annotated[float, Ge(0), Le(1)]
Count: TypeAlias = Annotated[int, Ge(1)]
Reward: TypeAlias = Callable[[Sequence[Sample]], list[Scored]]
"""One `Scored` for each sample, in order. Each reward states its scale: from 0 to 1 unless said.

The positional parameter is the samples, all of a step at once, so that a model can batch them and
the samples of a group can be compared; keyword-only ones are options, and bound before.
"""


def per_sample(score: Callable[..., float]) -> Callable[..., list[Scored]]:
    """The reward that looks at each sample by itself: `score(sample, *, …)` gives one number.

    A sample at which `score` raises has no value, and the error is its reason; the others are
    scored.
    """

    @wraps(score)
    def scored(samples: Sequence[Sample], **options: Any) -> list[Scored]:
        return [attempt(partial(score, sample, **options)) for sample in samples]

    return scored


def attempt(score: Callable[[], float]) -> Scored:
    """What `score` gives, or why it gave nothing."""
    try:
        return Scored(float(score()))
    except HaigaError as error:
        return Scored(None, str(error))
    except (
        Exception
    ) as error:  # one odd text must not end a training; `combine` counts and names it
        return Scored(None, f"{type(error).__name__}: {error}")
