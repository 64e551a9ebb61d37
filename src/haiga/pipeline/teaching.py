"""02_captioned: the teacher of a recipe is asked, and what that costs is said before and after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from haiga import events, store, teachers
from haiga.curation import asking
from haiga.curation import run as curation
from haiga.errors import RecipeError
from haiga.events import to_jsonl
from haiga.pipeline.console import time_left
from haiga.pipeline.run import Run
from haiga.recipe.bind import bind
from haiga.recipe.schema import Recipe, Teach
from haiga.teachers.cache import is_cached
from haiga.teachers.client import Remote, Request, Teacher
from haiga.teachers.estimate import Cost, actual, estimate
from haiga.teachers.opened import Books, key_faults, made_of, open_teacher, term_faults
from haiga.teachers.prices import price_of
from haiga.teachers.tasks import instructions
from haiga.teachers.voices import voice

PATH = "teach.teacher"


def teach(run: Run) -> None:
    """02_captioned: the teacher's answers, if there is one; paid calls go to ledger.jsonl."""
    section = run.recipe.teach
    options: dict[str, Any] = {"teacher": None, "tasks": [], "answers": 0}
    if section is not None:
        options = {**section.model_dump(mode="json"), **_made_of(run.recipe, section)}
    before, began = len(_ledger(run)), time.monotonic()
    expected: list[Cost] = []

    def opened() -> Teacher:
        assert section is not None
        expected.extend(_announced(run, section))
        return open_teacher(section.teacher, PATH, _books(run))

    try:
        curation.caption(
            run.data("01_filtered"),
            run.data("02_captioned"),
            options,
            teacher=opened if section else None,
            answers=section.calls() if section else {},
            emit=run.emit,
        )
    finally:
        # Also of a session that broke off: what was paid is paid.
        for cost in expected:
            paid = actual(_ledger(run)[before:], time.monotonic() - began)
            _say(run, f"{words(paid)}; estimated were {words(cost)}")


def cost(run: Run) -> Cost | None:
    """What the teacher of a recipe will cost from here; None where it costs nothing.

    01_filtered must be complete. Nothing is asked, and no key is needed.

    Raises:
        RecipeError: there is no teacher.
    """
    section = run.recipe.teach
    if section is None:
        raise RecipeError("teach: the recipe names no teacher, so there is nothing to estimate.")
    teacher = bind(teachers.TEACHERS, section.teacher, PATH)()
    if not isinstance(teacher, Remote):
        return None
    books, made = _books(run), made_of(section.teacher)
    return estimate(
        teacher,
        _requests(run, section),
        price_of(teacher.model, books.prices),
        ledger=_ledger(run),
        is_kept=lambda request: is_cached(books.answers, request, made),
    )


def faults(recipe: Recipe) -> Iterator[str]:
    """What must still be said before the recipe's teacher can be asked; it can be bound."""
    teacher = _teacher(recipe)
    if isinstance(teacher, Remote):
        yield from (f"{PATH}.{fault}" for fault in term_faults(teacher, recipe.prices))


def notes(recipe: Recipe) -> Iterator[str]:
    """What a person should know of the recipe's teacher: it has no key, or no voice for a task.

    A key is no fault of the recipe: whoever trains on what was written needs none.
    """
    teacher, section = _teacher(recipe), recipe.teach
    if not isinstance(teacher, Remote) or section is None:
        return
    yield from (f"{PATH}: {fault}. Set it before `haiga teach`." for fault in key_faults(teacher))
    for task in section.tasks:
        if not voice(task, recipe.language):
            yield (
                f"teach.tasks: no voice is written for {task!r} in {recipe.language!r}; the "
                "teacher is asked with the instruction alone."
            )


def words(cost: Cost) -> str:
    """A cost in words."""
    return (
        f"{cost.calls:,} calls, {cost.tokens_in:,} tokens in, {cost.tokens_out:,} out, "
        f"${cost.dollars:.4f}, {time_left(cost.seconds)}"
    )


def _teacher(recipe: Recipe) -> Teacher | None:
    if recipe.teach is None:
        return None
    return bind(teachers.TEACHERS, recipe.teach.teacher, PATH)()


def _made_of(recipe: Recipe, section: Teach) -> dict[str, Any]:
    """What the texts of a stage depend on besides its tasks: not on how a teacher is reached."""
    made = {
        "teacher": made_of(section.teacher),
        "versions": teachers.VERSIONS.get(section.teacher["name"], {}),
    }
    if not isinstance(_teacher(recipe), Remote):
        return made
    # Only who is asked in words depends on them.
    asked = {
        task: store.fingerprint(
            [instructions(task, recipe.language)[0], voice(task, recipe.language)]
        )
        for task in section.tasks
    }
    return {**made, "words": asked}


def _announced(run: Run, section: Teach) -> Iterator[Cost]:
    """The estimate of what is about to be asked, said; none where nothing is paid."""
    expected = cost(run)
    if expected is not None:
        _say(run, f"asking {section.teacher['model']}: about {words(expected)}")
        yield expected


def _requests(run: Run, section: Teach) -> Iterator[Request]:
    files = store.PictureFiles(run.data("00_raw").path)
    for row in run.data("01_filtered").rows():
        yield from asking.requests(row, files, section.calls())


def _books(run: Run) -> Books:
    spend = to_jsonl(run.folder / "ledger.jsonl")
    return Books(
        answers=run.folder / "answers",
        spend=lambda bill: spend({"stage": "02_captioned", **bill}),
        spent=partial(_spent, run),
        prices=run.recipe.prices,
    )


def _spent(run: Run, model: str) -> float:
    return sum(bill["dollars"] for bill in _ledger(run) if bill["model"] == model)


def _ledger(run: Run) -> list[dict[str, Any]]:
    bills = events.read(run.folder / "ledger.jsonl")
    return [bill for bill in bills if bill.get("stage") == "02_captioned"]


def _say(run: Run, text: str) -> None:
    run.emit({"kind": "note", "stage": "02_captioned", "text": text})
