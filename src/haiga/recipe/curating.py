"""The section of a recipe that says what stays of what a source found."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from haiga.recipe.section import Section
from haiga.recipe.values import Bound, Component, Components, Count, SomeWords, Word


class Similarity(Section):
    """How like its picture a text must be, by a dual encoder (CLIP, SigLIP, their kin)."""

    tower: str
    towers: dict[Word, str] = {}
    """Language -> the encoder that reads it, where that is another. A text's language is that which
    it looks to be in, among these and the recipe's."""
    enter: Bound = {"false_accepts": 0.01}
    """From here on a text enters: a cosine, or the share of shuffled pairs that may reach it."""
    reject: Bound = {"false_accepts": 0.1}
    """Below this it goes. Between the two it is written again once, then listed for a person."""
    tasks: SomeWords = ("describe",)
    """Whose texts mean to say what is to be seen; a poem need not."""


class Balance(Section):
    """How often a concept may be learned from; the training split alone is thinned."""

    concepts: Component = {"name": "terms"}
    """What a row is about: entries of a list, terms of its texts, clusters of its pictures."""
    cap: Count
    """How many rows a concept may have."""
    method: Literal["expectation", "strict"] = "expectation"
    """MetaCLIP's sampling, which keeps more and ends above the cap; or never above it."""
    unmatched: Literal["keep", "drop"] = "keep"
    """What becomes of rows without any concept; MetaCLIP drops them."""
    tasks: SomeWords = ("describe",)
    """Whose texts are read for concepts."""


class Semantic(Section):
    """Pictures that show the same thing, by an encoder."""

    tower: str
    """A dual encoder (CLIP, SigLIP, their kin)."""
    cosine: Annotated[float, Field(gt=0, le=1)] = 0.95
    """From here on two pictures show the same; it belongs to one encoder."""


class Rank(Section):
    """Which of several texts about one picture is preferred to which."""

    rewards: Components
    """What a text is worth, each with a `weight` beside its own options, as a rollout has them."""
    gap: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    """By how much a chosen text is at least worth more than its rejected one."""
    length: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.25
    """How many times as long, in characters, either of the two may be."""


class Curate(Section):
    """Which pictures and which texts stay; each rule is a component."""

    pictures: Components = ()
    captions: Components = ()
    """For the source's own captions."""
    hamming: Annotated[int, Field(ge=-1, le=64)] = 8
    """Pictures whose 64-bit perceptual hashes differ in at most so many bits are duplicates;
    -1: none are."""
    fine: Annotated[int, Field(ge=0, le=256)] | None = None
    """And 256-bit hashes in at most so many; None: these are not asked."""
    semantic: Semantic | None = None
    """None: pictures are compared by their hashes alone."""
    against: dict[Word, Component] = {}
    """Name -> a source whose pictures may not be among these: a set to evaluate on."""
    texts: dict[Word, Components] = {}
    """Task -> rules for the texts that a teacher wrote for it."""
    safety: Components = ()
    """Who may say that a picture must not be used; nobody, unless they are named."""
    similarity: Similarity | None = None
    """None: no text is compared with its picture."""
    rank: dict[Word, Rank] = {}
    """Task -> how its texts are ranked, of which the best and the worst that fit make a pair."""
    balance: Balance | None = None
    """None: what came through is learned from as often as it comes."""
