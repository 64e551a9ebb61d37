"""The section of a recipe that says what stays of what a source found."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from haiga.recipe.section import Section
from haiga.recipe.values import Bound, Components, SomeWords, Word


class Similarity(Section):
    """How like its picture a text must be, by a dual encoder (CLIP, SigLIP, their kin)."""

    tower: str
    towers: dict[Word, str] = {}
    """Language -> the encoder that reads it, where that is another."""
    enter: Bound = {"false_accepts": 0.01}
    """From here on a text enters: a cosine, or the share of shuffled pairs that may reach it."""
    reject: Bound = {"false_accepts": 0.1}
    """Below this it goes. Between the two it is written again once, then listed for a person."""
    tasks: SomeWords = ("describe",)
    """Whose texts mean to say what is to be seen; a poem need not."""


class Curate(Section):
    """Which pictures and which texts stay; each rule is a component."""

    pictures: Components = ()
    captions: Components = ()
    """For the source's own captions."""
    hamming: Annotated[int, Field(ge=0, le=64)] = 8
    """Pictures whose 64-bit perceptual hashes differ in at most so many bits are duplicates."""
    texts: dict[Word, Components] = {}
    """Task -> rules for the texts that a teacher wrote for it."""
    similarity: Similarity | None = None
    """None: no text is compared with its picture."""
