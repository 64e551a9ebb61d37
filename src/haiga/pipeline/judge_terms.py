"""The terms on which a recipe's judge is asked; nothing here loads a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from haiga.errors import HaigaError
from haiga.recipe.bind import bind
from haiga.recipe.schema import Recipe
from haiga.teachers import TEACHERS
from haiga.teachers.client import Remote
from haiga.teachers.opened import key_faults, term_faults
from haiga.teachers.poet import Poet
from haiga.teachers.witness import Witness

PATH: Final = "evaluate.judge.teacher"


def faults(recipe: Recipe) -> Iterator[str]:
    """What must still be said before the judge can be asked."""
    section = recipe.evaluate.judge
    if section is None:
        return
    try:
        teacher = bind(TEACHERS, section.teacher, PATH)()
    except HaigaError as error:
        yield str(error)
        return
    if isinstance(teacher, Poet):
        yield (
            f"{PATH}: the poet reads no texts; on the floating world's prints name the witness, "
            "elsewhere a model"
        )
    elif isinstance(teacher, Remote):
        yield from (f"{PATH}.{fault}" for fault in term_faults(teacher, recipe.prices))
    if section.repeats > 1 and isinstance(teacher, Witness):
        yield "evaluate.judge.repeats: the witness says the same each time; set it to 1"


def notes(recipe: Recipe) -> Iterator[str]:
    """What a person should know of the judge: no key, or kinship with who wrote the texts."""
    section = recipe.evaluate.judge
    if section is None:
        return
    teacher = bind(TEACHERS, section.teacher, PATH)()
    if isinstance(teacher, Remote):
        faults = key_faults(teacher)
        yield from (f"{PATH}: {fault}. Set it before `haiga evaluate`." for fault in faults)
    taught = recipe.teach.model_dump()["teacher"].get("model") if recipe.teach else None
    if taught is not None and taught == section.teacher.get("model"):
        yield (
            f"{PATH}: {taught} judges what was learned from its own texts, and models prefer their "
            "own (by 10 to 25 %, MT-Bench). Name a judge of another family."
        )
