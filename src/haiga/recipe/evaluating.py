"""The sections of a recipe that say how what was made is looked at."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from haiga.recipe.section import Section
from haiga.recipe.values import Component, Count, Lighter, Options, SomeWords, Word


class Audit(Section):
    """Who judges pairs before training, where nobody knows what their pictures show."""

    judge: Component | None = None
    """A teacher; better not the one that wrote them."""
    pairs: Count = 200
    """How many of a stage's pairs are judged, each in both orders."""


class Evaluate(Section):
    """Under which conditions a model is scored, and on what."""

    conditions: SomeWords = ("full", "blind", "blind_lm", "shuffled", "grey", "random_projector")
    tasks: SomeWords | None = None
    """None: the tasks of the last stage."""
    batch: Count = 64
    max_new_tokens: Count = 64
    timed: Annotated[int, Field(ge=0)] = 16
    """Held-out pictures on which the last stage that sees is timed; 0 leaves it out."""
    benchmarks: dict[Word, Options] = {}
    """Published questions, each under a key that is its `name` unless it says another one."""
    variants: Lighter = ()
    """The last stage that sees in fewer bits, held against itself: see `models.variants`."""
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """The difference of a share that would not matter, decided before anything is seen."""


class Report(Section):
    """The page at the end."""

    pictures: Annotated[int, Field(ge=0)] = 24
    """How many examples are shown."""
