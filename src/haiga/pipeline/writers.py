"""Who writes the texts of a recipe, and what they talk about afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from haiga import teachers
from haiga.curation.exchanging import Bound, Exchanges
from haiga.errors import RecipeError
from haiga.pipeline.run import Run
from haiga.recipe.bind import bind
from haiga.recipe.schema import Recipe, Teach
from haiga.teachers.client import Remote, Teacher
from haiga.teachers.exchanges import EXCHANGES
from haiga.teachers.exchanges.words import template
from haiga.teachers.opened import key_faults
from haiga.teachers.poet import Poet

PATH = "teach.teacher"


@dataclass(frozen=True)
class Writer:
    """A teacher of a recipe, where the recipe names it, and how many answers of which tasks it
    is asked for."""

    path: str
    component: dict[str, Any]
    calls: dict[str, int]

    def bound(self) -> Teacher:
        """The teacher, without what is put around one that is paid."""
        return bind(teachers.TEACHERS, self.component, self.path)()


def writers(section: Teach) -> list[Writer]:
    """Who writes what: the teacher, then those that write single tasks in its place."""
    calls = section.calls()
    rest = {task: count for task, count in calls.items() if task not in section.teachers}
    return [
        Writer(PATH, section.teacher, rest),
        *(
            Writer(f"teach.teachers.{task}", component, {task: calls[task]})
            for task, component in section.teachers.items()
        ),
    ]


def exchanges_of(section: Teach) -> Exchanges:
    """The exchanges of a recipe.

    Raises:
        RecipeError: there is no such exchange, or it takes no such option.
    """
    table = {name: each.hold for name, each in EXCHANGES.items()}
    return {
        task: [
            Bound(
                each["name"],
                bind(table, each, f"teach.exchanges.{task}.{at}"),
                EXCHANGES[each["name"]].takes,
                EXCHANGES[each["name"]].whole,
            )
            for at, each in enumerate(components)
        ]
        for task, components in section.exchanges.items()
    }


def exchange_faults(recipe: Recipe, section: Teach) -> Iterator[str]:
    """Exchanges that cannot be held."""
    try:
        exchanges = exchanges_of(section)
        for name in {each.name for own in exchanges.values() for each in own}:
            for file in EXCHANGES[name].words:
                template(file, recipe.language)
    except RecipeError as error:
        yield str(error)
        return
    for writer in writers(section):
        if isinstance(writer.bound(), Poet) and not exchanges.keys().isdisjoint(writer.calls):
            yield (
                "teach.exchanges: the poet reads no texts; name another teacher, or leave them out"
            )
    for task, own in exchanges.items():
        calls = section.calls()[task]
        yield from (
            f"teach.exchanges.{task}: {each.name} is about {each.takes} answers to one picture, "
            f"and {calls} is asked for; raise teach.answers"
            for each in own
            if calls < each.takes
        )


def require_keys(run: Run) -> None:
    """That whoever is still to write can be asked, before anything is gathered for it.

    Raises:
        RecipeError: a key is not set.
    """
    section = run.recipe.teach
    if section is None or run.data("02_captioned").manifest() is not None:
        return
    asked = [(writer.path, writer.bound()) for writer in writers(section)]
    absent = [
        f"{path}: {fault}. Set it, and run the same command again."
        for path, teacher in asked
        if isinstance(teacher, Remote)
        for fault in key_faults(teacher)
    ]
    if absent:
        raise RecipeError("\n".join(absent))
