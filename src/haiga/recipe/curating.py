"""The section of a recipe that says what stays of what a source found."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from haiga.recipe.section import Section
from haiga.recipe.values import Components, Word


class Curate(Section):
    """Which pictures and which texts stay; each rule is a component."""

    pictures: Components = ()
    captions: Components = ()
    """For the source's own captions."""
    hamming: Annotated[int, Field(ge=0, le=64)] = 8
    """Pictures whose 64-bit perceptual hashes differ in at most so many bits are duplicates."""
    texts: dict[Word, Components] = {}
    """Task -> rules for the texts that a teacher wrote for it."""
