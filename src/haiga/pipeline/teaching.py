"""02_captioned: the teacher of a recipe is asked, and what that costs is said before and after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from haiga import events, store, teachers
from haiga.curation import captioning
from haiga.curation.asking import ask
from haiga.curation.exchanging import Bound, Exchanges, exchange
from haiga.errors import RecipeError
from haiga.events import to_jsonl
from haiga.pipeline.console import time_left
from haiga.pipeline.run import Run
from haiga.recipe.bind import bind
from haiga.recipe.schema import Recipe, Teach
from haiga.teachers.cache import is_cached, kept
from haiga.teachers.client import Remote, Request, Teacher
from haiga.teachers.estimate import Cost, actual, estimate
from haiga.teachers.exchanges import EXCHANGES
from haiga.teachers.exchanges.words import template
from haiga.teachers.opened import Books, key_faults, made_of, open_teacher, term_faults
from haiga.teachers.poet import Poet
from haiga.teachers.prices import price_of
from haiga.teachers.rehearsal import rehearsed
from haiga.teachers.tasks import instructions
from haiga.teachers.voices import voice

PATH = "teach.teacher"
STAGE = "02_captioned"


def teach(run: Run) -> None:
    """02_captioned: the teacher's answers, if there is one; paid calls go to ledger.jsonl."""
    section = run.recipe.teach
    options: dict[str, Any] = {"teacher": None, "tasks": [], "answers": 0}
    if section is not None:
        options = {**section.model_dump(mode="json"), **_made_of(run.recipe, section)}
        if not section.exchanges:
            del options["exchanges"]
    before, began = len(ledger(run, STAGE)), time.monotonic()
    expected: list[Cost] = []

    def opened() -> Teacher:
        assert section is not None
        expected.extend(_announced(run, section))
        return open_teacher(section.teacher, PATH, books(run, STAGE))

    try:
        captioning.caption(
            run.data("01_filtered"),
            run.data(STAGE),
            options,
            teacher=opened if section else None,
            answers=section.calls() if section else {},
            exchanges=_exchanges(section) if section else {},
            emit=run.emit,
        )
    finally:
        # Also of a session that broke off: what was paid is paid.
        for cost in expected:
            paid = actual(ledger(run, STAGE)[before:], time.monotonic() - began)
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
    kept_in, made = books(run, STAGE), made_of(section.teacher)
    rehearsal: list[Request] = []
    known = partial(kept, kept_in.answers, made_of=made)
    return estimate(
        teacher,
        _requests(run, section, rehearsed(teacher, known, rehearsal), rehearsal),
        price_of(teacher.model, kept_in.prices),
        ledger=ledger(run, STAGE),
        is_kept=lambda request: is_cached(kept_in.answers, request, made),
    )


def faults(recipe: Recipe) -> Iterator[str]:
    """What must still be said before the recipe's teacher can be asked; it can be bound."""
    teacher, section = _teacher(recipe), recipe.teach
    if isinstance(teacher, Remote):
        yield from (f"{PATH}.{fault}" for fault in term_faults(teacher, recipe.prices))
    if teacher is not None and section is not None:
        yield from _exchange_faults(recipe, section, teacher)


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
    made: dict[str, Any] = {
        "teacher": made_of(section.teacher),
        "versions": teachers.VERSIONS.get(section.teacher["name"], {}),
    }
    if section.exchanges:
        names = {each["name"] for own in section.exchanges.values() for each in own}
        files = sorted(file for name in names for file in EXCHANGES[name].words)
        made["asked"] = store.fingerprint([template(file, recipe.language) for file in files])
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


def _requests(
    run: Run, section: Teach, teacher: Teacher, asked: list[Request]
) -> Iterator[Request]:
    """What will be asked, found out by asking `teacher`, which notes it in `asked`."""
    files = store.PictureFiles(run.data("00_raw").path)
    exchanges = _exchanges(section)
    for row in run.data("01_filtered").rows():
        drafts = [each.texts for each in ask(teacher, [row], files, answers=section.calls())]
        list(exchange(teacher, [row], drafts, files, exchanges))
        yield from asked
        asked.clear()


def _exchanges(section: Teach) -> Exchanges:
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
            )
            for at, each in enumerate(components)
        ]
        for task, components in section.exchanges.items()
    }


def _exchange_faults(recipe: Recipe, section: Teach, teacher: Teacher) -> Iterator[str]:
    """Exchanges that cannot be held."""
    try:
        exchanges = _exchanges(section)
        for name in {each.name for own in exchanges.values() for each in own}:
            for file in EXCHANGES[name].words:
                template(file, recipe.language)
    except RecipeError as error:
        yield str(error)
        return
    if exchanges and isinstance(teacher, Poet):
        yield "teach.exchanges: the poet reads no texts; name another teacher, or leave them out"
    for task, own in exchanges.items():
        calls = section.calls()[task]
        yield from (
            f"teach.exchanges.{task}: {each.name} is about {each.takes} answers to one picture, "
            f"and {calls} is asked for; raise teach.answers"
            for each in own
            if calls < each.takes
        )


def books(run: Run, stage: str) -> Books:
    """Where a run keeps what `stage` asks and pays; a limit holds for the calls of one stage."""
    spend = to_jsonl(run.folder / "ledger.jsonl")
    return Books(
        answers=run.folder / "answers",
        spend=lambda bill: spend({"stage": stage, **bill}),
        spent=lambda model: sum(
            bill["dollars"] for bill in ledger(run, stage) if bill["model"] == model
        ),
        prices=run.recipe.prices,
    )


def ledger(run: Run, stage: str) -> list[dict[str, Any]]:
    """The calls that `stage` has paid."""
    bills = events.read(run.folder / "ledger.jsonl")
    return [bill for bill in bills if bill.get("stage") == stage]


def _say(run: Run, text: str) -> None:
    run.emit({"kind": "note", "stage": STAGE, "text": text})
