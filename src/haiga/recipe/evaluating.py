"""The sections of a recipe that say how what was made is looked at."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from haiga.recipe.section import Section
from haiga.recipe.values import Component, Count, Lighter, Options, SomeWords, Word


class Audit(Section):
    """Who judges pairs before training, where nobody knows what their pictures show."""

    judge: Component | None = None
    """A teacher; better not the one that wrote them."""
    pairs: Count = 200
    """How many of a stage's pairs are judged, each in both orders."""


class Judge(Section):
    """Who reads what the stages wrote, and how much of it."""

    teacher: Component
    """Better not the one that wrote the texts that were learned, and never a reward."""
    items: Count = 200
    """Held-out pictures, drawn by the recipe's seed."""
    repeats: Count = 3
    """How often each answer is scored; more than one measures the judge's own noise."""
    conditions: SomeWords = ("full", "blind", "shuffled")
    """Those under which answers are scored; others are left to the checks."""
    against: Annotated[tuple[Literal["start", "reference"], ...], Field(strict=False)] = (
        "start",
        "reference",
    )
    """Whom each stage's answers are held against, in both orders: the answers of the stage that it
    started from, and the texts that were written about the pictures."""
    controls: Annotated[int, Field(ge=8)] = 20
    """Good texts on which the judge itself is tried."""


class Claims(Section):
    """Who takes answers apart and looks for each of their statements in the picture."""

    teacher: Component
    """Better not the one that wrote the texts that were learned."""
    items: Count = 50
    """Held-out pictures, drawn by the recipe's seed."""
    conditions: SomeWords = ("full", "blind", "shuffled")
    """Those under which answers are taken apart."""
    controls: Annotated[int, Field(ge=8)] = 20
    """Good texts on which the teacher itself is tried."""


class BestOf(Section):
    """Several answers are drawn and the one that most belongs to its picture is taken."""

    samples: Annotated[int, Field(ge=2)] = 8
    by: Literal["dependence", "similarity"] = "dependence"
    """By how much the picture makes an answer likelier to the model, or by a dual encoder."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    encoder: str = ""
    """For similarity: a CLIP or SigLIP; better not the tower that the model sees by."""


class Evaluate(Section):
    """Under which conditions a model is scored, and on what."""

    conditions: SomeWords = ("full", "blind", "blind_lm", "shuffled", "grey", "random_projector")
    tasks: SomeWords | None = None
    """None: the tasks of the last stage."""
    batch: Count = 64
    max_new_tokens: Count = 64
    timed: Annotated[int, Field(ge=0)] = 16
    """Held-out pictures on which the last stage that sees is timed; 0 leaves it out."""
    self_retrieval: Annotated[int, Field(ge=0)] = 32
    """Held-out pictures among which each text must find its own; 0 leaves it out."""
    encoder: str = ""
    """A CLIP or SigLIP that is asked how well answers fit their own pictures where nobody knows
    what those show; "": the tower that the model sees by, which is no stranger to it."""
    benchmarks: dict[Word, Options] = {}
    """Published questions, each under a key that is its `name` unless it says another one."""
    variants: Lighter = ()
    """The last stage that sees in fewer bits, held against itself: see `models.variants`."""
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """The difference of a share that would not matter, decided before anything is seen."""
    judge: Judge | None = None
    claims: Claims | None = None
    best_of: BestOf | None = None
    """A row of the last stage that sees, decoded so."""


class Report(Section):
    """The page at the end."""

    pictures: Annotated[int, Field(ge=0)] = 24
    """How many examples are shown."""
