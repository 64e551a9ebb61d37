"""A teacher of a recipe, with everything around it that its kind needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from haiga.errors import RecipeError
from haiga.recipe.bind import bind, options
from haiga.teachers import TEACHERS
from haiga.teachers.cache import cached
from haiga.teachers.client import Remote, Teacher
from haiga.teachers.http import key_in
from haiga.teachers.meter import Spend, metered
from haiga.teachers.pace import paced
from haiga.teachers.prices import as_of, price_of
from haiga.teachers.retry import retried

HOW: Final = ("base_url", "key", "max_dollars", "pace")
"""Options that say how a teacher is reached and paid, and change nothing that it writes."""


@dataclass(frozen=True)
class Books:
    """Where a run keeps what it has asked and paid."""

    answers: Path
    """The folder of the answers that came back."""
    spend: Spend
    spent: Callable[[str], float]
    """Model -> what it has cost in this run before."""
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The recipe's own, by model: dollars per million tokens in and out."""


def open_teacher(component: Mapping[str, Any], path: str, books: Books) -> Teacher:
    """The teacher that a component names; one that is paid is cached, metered, retried and paced.

    Raises:
        RecipeError: an option is wrong, or a term is missing that it cannot be asked without.
    """
    teacher = bind(TEACHERS, component, path)()
    if not isinstance(teacher, Remote):
        return teacher
    faults = [*term_faults(teacher, books.prices), *key_faults(teacher)]
    if faults:
        raise RecipeError("\n".join(f"{path}: {fault}" for fault in faults))
    asked = retried(paced(teacher))
    price = price_of(teacher.model, books.prices)
    asked = metered(asked, price, books.spend, books.spent(teacher.model))
    return cached(asked, books.answers, made_of(component))


def made_of(component: Mapping[str, Any]) -> dict[str, Any]:
    """What a teacher's answers depend on: its options with their defaults, without `HOW`."""
    known = {**options(TEACHERS[component["name"]]), **component}
    return {key: value for key, value in known.items() if key not in HOW}


def term_faults(teacher: Remote, prices: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    """What a recipe must still say before a teacher may be paid."""
    url = urlsplit(teacher.url)
    if url.scheme not in ("http", "https") or not url.hostname:
        yield f"base_url: {teacher.url!r} is not an address; it begins with https:// or http://"
    price = price_of(teacher.model, prices)
    if price is None and not teacher.local:
        yield (
            f"no price of {teacher.model!r} is known (the table is of {as_of()}); write it in the "
            f'recipe: prices = {{ "{teacher.model}" = [2.0, 10.0] }}, dollars per million tokens '
            "in and out, or [0, 0] where nothing is paid"
        )
    paid = price is not None and (price.input or price.output)
    if paid and teacher.max_dollars is None:
        yield f"max_dollars: {teacher.model} is paid for; say how much it may cost in all"
    if price is None and teacher.local and teacher.max_dollars is not None:
        yield f"max_dollars: {teacher.model} has no price to be held to; leave it out"


def key_faults(teacher: Remote) -> Iterator[str]:
    """A key that is not there. Apart from the recipe's faults: only who asks needs one."""
    if teacher.key and not teacher.local and not key_in(teacher.key):
        yield (
            f"the environment variable {teacher.key} is not set, and {teacher.model} does not "
            "answer without a key"
        )
