"""A teacher of a recipe, with everything around it that its kind needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from haiga.errors import RecipeError
from haiga.recipe.bind import bind, options
from haiga.teachers import TEACHERS
from haiga.teachers.books import Books
from haiga.teachers.bulk.fill import Bulk, Jobs, fill
from haiga.teachers.cache import cached
from haiga.teachers.client import Remote, Teacher
from haiga.teachers.http import key_in
from haiga.teachers.meter import metered
from haiga.teachers.pace import paced
from haiga.teachers.prices import as_of, price_of
from haiga.teachers.retry import retried

HOW: Final = ("base_url", "key", "max_dollars", "pace")
"""Options that say how a teacher is reached and paid, and change nothing that it writes."""
_EFFORTS: Final = {"anthropic": "effort", "openai": "reasoning_effort"}
_ROOM: Final = 4096
"""Tokens of an answer in which a model has room to think."""


class Asked(NamedTuple):
    """A teacher of a recipe, and what it will be asked."""

    component: Mapping[str, Any]
    path: str
    """Where it stands in the recipe."""
    jobs: Jobs | None
    """What will be done with it; None where that is not known beforehand: it is then asked
    directly, also where the recipe says in batches."""


def open_teacher(
    component: Mapping[str, Any], path: str, books: Books, jobs: Jobs | None = None
) -> Teacher:
    """The teacher that a component names; see `open_teachers`."""
    (teacher,) = open_teachers([Asked(component, path, jobs)], books)
    return teacher


def open_teachers(wanted: Sequence[Asked], books: Books) -> list[Teacher]:
    """The teachers that are wanted; those that are paid are cached, metered, retried and paced.

    Those that are asked in batches are asked now, all together, and have answered when this
    returns.

    Raises:
        RecipeError: an option is wrong, or a term is missing that one cannot be asked without.
        BudgetError: a batch could cost too much.
        TeacherError: a batch could not be handed in or fetched.
    """
    teachers: list[Teacher | Bulk] = [_opened(each, books) for each in wanted]
    fill([each for each in teachers if isinstance(each, Bulk)])
    return [each.teacher() if isinstance(each, Bulk) else each for each in teachers]


def _opened(asked: Asked, books: Books) -> Teacher | Bulk:
    component, path, jobs = asked
    teacher = bind(TEACHERS, component, path)()
    if not isinstance(teacher, Remote):
        return teacher
    faults = [*term_faults(teacher, books.prices), *key_faults(teacher)]
    if faults:
        raise RecipeError("\n".join(f"{path}: {fault}" for fault in faults))
    if teacher.pace.batch is not None and jobs is not None:
        return Bulk(teacher, jobs, made_of(component), books)
    asked_again = retried(paced(teacher))
    price = price_of(teacher.model, books.prices)
    spent = books.spent(teacher.model)
    paid = metered(asked_again, price, books.spend, spent, asked=books.asked)
    return cached(paid, books.answers, made_of(component))


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
            f"model: no price of {teacher.model!r} is known (the table is of {as_of()}); write it "
            f'in the recipe: prices = {{ "{teacher.model}" = [2.0, 10.0] }}, dollars per million '
            "tokens in and out, or [0, 0] where nothing is paid"
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


def thought_notes(teacher: Remote, component: Mapping[str, Any]) -> Iterator[str]:
    """What a model thinks before it answers is paid, and may leave no room for the answer."""
    option = _EFFORTS.get(component["name"])
    if option and component.get(option) is None and teacher.max_tokens < _ROOM:
        yield (
            f"{option} is not said. Where {teacher.model} thinks before it answers, that is paid "
            f"and counts in max_tokens = {teacher.max_tokens}, so that answers may be cut off; "
            f'{option} = "low" does for a text about a picture.'
        )
