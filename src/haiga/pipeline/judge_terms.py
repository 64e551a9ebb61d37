"""The terms on which a recipe's judges are asked; nothing here loads a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from haiga.errors import HaigaError
from haiga.pipeline.checking.said import said
from haiga.recipe.bind import bind
from haiga.recipe.schema import Recipe
from haiga.teachers import TEACHERS
from haiga.teachers.client import Remote
from haiga.teachers.exchanges import EXCHANGES
from haiga.teachers.exchanges.words import template
from haiga.teachers.opened import key_faults, term_faults
from haiga.teachers.poet import Poet
from haiga.teachers.witness import Witness

PATH: Final = "evaluate.judge.teacher"
CLAIMS: Final = "evaluate.claims.teacher"
_KIN: Final = {PATH: "judges", CLAIMS: "checks"}


def faults(recipe: Recipe) -> Iterator[str]:
    """What must still be said before the judge, or who checks statements, can be asked."""
    for path, component in _asked(recipe):
        try:
            teacher = bind(TEACHERS, component, path)()
        except HaigaError as error:
            yield str(error)
            continue
        if isinstance(teacher, Poet):
            yield (
                f"{path}: the poet reads no texts; on the floating world's prints name the "
                "witness as a judge, elsewhere a model"
            )
        elif isinstance(teacher, Remote):
            yield from (f"{path}.{fault}" for fault in term_faults(teacher, recipe.prices))
        yield from _of_witness(recipe, path) if isinstance(teacher, Witness) else ()
    if recipe.evaluate.claims is not None:
        yield from (fault for fault in map(_unwritten(recipe), EXCHANGES["claims"].words) if fault)


def notes(recipe: Recipe) -> Iterator[str]:
    """What a person should know of them: no key, or kinship with who wrote the texts."""
    taught = recipe.teach.model_dump()["teacher"].get("model") if recipe.teach else None
    for path, component in _asked(recipe):
        teacher = bind(TEACHERS, component, path)()
        if isinstance(teacher, Remote):
            absent = key_faults(teacher)
            yield from (f"{path}: {fault}. Set it before `haiga evaluate`." for fault in absent)
        if taught is not None and taught == component.get("model"):
            yield (
                f"{path}: {taught} {_KIN[path]} what was learned from its own texts, and models "
                "prefer their own (by 10 to 25 %, MT-Bench). Name one of another family."
            )


def _asked(recipe: Recipe) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if recipe.evaluate.judge is not None:
        yield PATH, recipe.evaluate.judge.teacher
    if recipe.evaluate.claims is not None:
        yield CLAIMS, recipe.evaluate.claims.teacher


def _of_witness(recipe: Recipe, path: str) -> Iterator[str]:
    judge = recipe.evaluate.judge
    if path == CLAIMS:
        yield f"{path}: the witness takes no texts apart; name a model"
    elif judge is not None and judge.repeats > 1:
        yield "evaluate.judge.repeats: the witness says the same each time; set it to 1"


def _unwritten(recipe: Recipe) -> Callable[[str], str | None]:
    """Whether the words of a question are not written in the recipe's language."""
    return lambda name: said(partial(template, name, recipe.language), CLAIMS)
