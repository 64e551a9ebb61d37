"""02_captioned: a recipe's teachers are asked, and what that costs is said before and after."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from haiga import events, store, teachers
from haiga.curation import captioning
from haiga.curation.asking import ask
from haiga.curation.exchanging import Exchanges, exchange, talk
from haiga.errors import RecipeError
from haiga.events import to_jsonl
from haiga.pipeline.console import time_left
from haiga.pipeline.run import Run
from haiga.pipeline.writers import Writer, exchange_faults, exchanges_of, writers
from haiga.recipe.schema import Recipe, Teach
from haiga.reporting.words import WRITING
from haiga.sources.hub import is_here
from haiga.teachers.books import Books
from haiga.teachers.bulk.fill import Job, Jobs
from haiga.teachers.by_task import ByTask
from haiga.teachers.cache import is_cached, kept
from haiga.teachers.client import Remote, Request, Teacher
from haiga.teachers.estimate import Cost, actual, estimate
from haiga.teachers.exchanges import EXCHANGES
from haiga.teachers.exchanges.words import template
from haiga.teachers.local import Local
from haiga.teachers.opened import (
    Asked,
    key_faults,
    made_of,
    open_teachers,
    term_faults,
    thought_notes,
)
from haiga.teachers.prices import price_of
from haiga.teachers.rehearsal import rehearsed
from haiga.teachers.tasks import instructions
from haiga.teachers.voices import voice

STAGE = WRITING[0]


ASKED = "answers/asked.jsonl"
"""Which calls are in flight: a line before each, and one when it is over."""


def teach(run: Run) -> None:
    """02_captioned: the teachers' answers, if there are any; paid calls go to ledger.jsonl."""
    section = run.recipe.teach
    options: dict[str, Any] = {"teacher": None, "tasks": [], "answers": 0}
    if section is not None:
        options = section.model_dump(mode="json", exclude={"teachers"}) | _made_of(run, section)
        if not section.exchanges:
            del options["exchanges"]
    before, began = len(ledger(run, STAGE)), time.monotonic()
    expected: dict[str, Cost] = {}

    def opened(rows: Sequence[Mapping[str, Any]]) -> Teacher:
        assert section is not None
        expected.update(cost(run))
        for model, each in expected.items():
            _say(run, f"asking {model}: about {words(each)}")
        jobs = {each.path: partial(_jobs, run, each, rows) for each in writers(section)}
        return opened_all(section, open_books(run, STAGE), jobs)

    try:
        captioning.caption(
            run.data("01_filtered"),
            run.data(STAGE),
            options,
            teacher=opened if section else None,
            answers=section.calls() if section else {},
            exchanges=exchanges_of(section) if section else {},
            emit=run.emit,
        )
    finally:
        # Also of a session that broke off: what was paid is paid.
        for model, guess in expected.items():
            bills = [bill for bill in ledger(run, STAGE)[before:] if bill["model"] == model]
            paid = actual(bills, time.monotonic() - began)
            _say(run, f"{model}: {words(paid)}; estimated were {words(guess)}")


def opened_all(section: Teach, books: Books, jobs: Mapping[str, Jobs] | None = None) -> Teacher:
    """The teachers of a recipe as one, each with its own tasks.

    Args:
        section: of the recipe.
        books: where they are kept and paid.
        jobs: the path of a teacher -> what it will be asked, where that is known beforehand; else
            each is asked directly, also where the recipe says in batches.
    """
    asked = [
        Asked(each.component, each.path, jobs[each.path] if jobs else None)
        for each in writers(section)
    ]
    first, *others = open_teachers(asked, books)
    return ByTask(first, dict(zip(section.teachers, others, strict=True))) if others else first


def _jobs(run: Run, writer: Writer, rows: Sequence[Mapping[str, Any]]) -> Iterator[Job]:
    """What a writer does about each row: its texts, then what it is asked about them."""
    files = store.PictureFiles(run.data("00_raw").path)
    exchanges = _exchanges(run, writer)
    return (
        partial(talk, row=row, pictures=files, answers=writer.calls, exchanges=exchanges)
        for row in rows
    )


def _exchanges(run: Run, writer: Writer) -> Exchanges:
    """The exchanges about what a writer writes."""
    section = run.recipe.teach
    assert section is not None
    return {task: own for task, own in exchanges_of(section).items() if task in writer.calls}


def cost(run: Run) -> dict[str, Cost]:
    """Model -> what it will cost from here; without the teachers that cost nothing.

    01_filtered must be complete. Nothing is asked, and no key is needed.

    Raises:
        RecipeError: there is no teacher.
    """
    section = run.recipe.teach
    if section is None:
        raise RecipeError("teach: the recipe names no teacher, so there is nothing to estimate.")
    known_in, found = books(run, STAGE).answers, {}
    for writer in writers(section):
        teacher = writer.bound()
        if isinstance(teacher, Remote):
            asked = list[Request]()
            known = partial(kept, known_in, made_of=made_of(writer.component))
            requests = _requests(run, writer, rehearsed(teacher, known, asked), asked)
            found[teacher.model] = expect(run, writer, teacher, requests)
    return found


def expect(run: Run, writer: Writer, teacher: Remote, requests: Iterable[Request]) -> Cost:
    """What it will cost to have `requests` answered, those aside whose answers are kept."""
    where, made = books(run, STAGE), made_of(writer.component)
    return estimate(
        teacher,
        requests,
        price_of(teacher.model, where.prices),
        ledger=ledger(run, *WRITING),
        is_kept=lambda request: is_cached(where.answers, request, made),
    )


def faults(section: Teach, recipe: Recipe) -> Iterator[str]:
    """What must still be said before the recipe's teachers can be asked; they can be bound."""
    models: dict[str, str] = {}
    for writer in writers(section):
        teacher = writer.bound()
        if isinstance(teacher, Remote):
            yield from (f"{writer.path}.{fault}" for fault in term_faults(teacher, recipe.prices))
            other = models.setdefault(teacher.model, writer.path)
            if other != writer.path:
                yield (
                    f"{writer.path}.model: {teacher.model} is {other}'s too, and a model has one "
                    "limit in a run, max_dollars; name it once"
                )
    yield from exchange_faults(recipe, section)


def notes(section: Teach, language: str) -> Iterator[str]:
    """What a person should know of a recipe's teachers: one has no key, or no voice for a task.

    A key is no fault of the recipe: whoever trains on what was written needs none.
    """
    for writer in writers(section):
        teacher = writer.bound()
        if isinstance(teacher, Local) and not is_here(teacher.name, or_named=True):
            yield f"{writer.path}.model: there is no model at {teacher.name} yet"
        if not isinstance(teacher, Remote):
            continue
        for fault in key_faults(teacher):
            yield f"{writer.path}: {fault}. Set it before `haiga teach`."
        for note in thought_notes(teacher, writer.component):
            yield f"{writer.path}: {note}"
        for task in writer.calls:
            if not voice(task, language):
                yield (
                    f"teach.tasks: no voice is written for {task!r} in {language!r}; the "
                    "teacher is asked with the instruction alone."
                )


def words(cost: Cost) -> str:
    """A cost in words."""
    return (
        f"{cost.calls:,} calls, {cost.tokens_in:,} tokens in, {cost.tokens_out:,} out, "
        f"${cost.dollars:.4f}, {time_left(cost.seconds)}"
    )


def _made_of(run: Run, section: Teach) -> dict[str, Any]:
    """What the texts of a stage depend on besides its tasks: not on how a teacher is reached."""
    language, asked = run.recipe.language, writers(section)
    versions: dict[str, Any] = {}
    texts = {}
    for writer in asked:
        versions |= teachers.VERSIONS.get(writer.component["name"], {})
        # Only who is asked in words depends on them.
        for task in writer.calls if isinstance(writer.bound(), Remote) else ():
            ask = instructions(task, language)[0]
            texts[task] = store.fingerprint([ask, voice(task, language)])
    made: dict[str, Any] = {"teacher": made_of(section.teacher), "versions": versions}
    if section.exchanges:
        names = {each["name"] for own in section.exchanges.values() for each in own}
        files = sorted(file for name in names for file in EXCHANGES[name].words)
        made["asked"] = store.fingerprint([template(file, language) for file in files])
    if section.teachers:
        made["teachers"] = {task: made_of(each) for task, each in section.teachers.items()}
    return {**made, "words": texts} if texts else made


def _requests(
    run: Run, writer: Writer, teacher: Teacher, asked: list[Request]
) -> Iterator[Request]:
    """What a writer will be asked, found out by asking `teacher`, which notes it in `asked`."""
    files = store.PictureFiles(run.data("00_raw").path)
    exchanges = _exchanges(run, writer)
    for row in run.data("01_filtered").rows():
        drafts = [each.texts for each in ask(teacher, [row], files, answers=writer.calls)]
        list(exchange(teacher, [row], drafts, files, exchanges))
        yield from asked
        asked.clear()


def books(run: Run, stage: str) -> Books:
    """Where a run keeps what `stage` asks and pays.

    A limit holds for the calls of one stage, and of `WRITING` together.
    """
    spend = to_jsonl(run.folder / "ledger.jsonl")
    note = to_jsonl(run.folder / ASKED)
    stages = WRITING if stage in WRITING else (stage,)
    return Books(
        answers=run.folder / "answers",
        spend=lambda bill: spend({"stage": stage, **bill}),
        spent=lambda model: sum(
            bill["dollars"] for bill in ledger(run, *stages) if bill["model"] == model
        ),
        prices=run.recipe.prices,
        asked=lambda line: note({"stage": stage, **line}),
        billed=lambda batch: {
            bill["question"] for bill in ledger(run, *stages) if bill.get("batch") == batch
        },
        say=lambda text: run.emit({"kind": "note", "stage": stage, "text": text}),
    )


def open_books(run: Run, stage: str) -> Books:
    """`books`, for a stage that is about to ask.

    Calls that were in flight when a session was killed may have been paid: the ledger says how
    many and how much at most, in a line of its own.
    """
    left: dict[str, dict[str, Any]] = {}
    for line in events.read(run.folder / ASKED):
        if left.pop(line["call"], None) is None:
            left[line["call"]] = line
    (run.folder / ASKED).unlink(missing_ok=True)
    spend = to_jsonl(run.folder / "ledger.jsonl")
    for asker, model in sorted({(line["stage"], line["model"]) for line in left.values()}):
        own = [
            each["most"]
            for each in left.values()
            if (each["stage"], each["model"]) == (asker, model)
        ]
        lost = {"lost": len(own), "most": sum(own)}
        spend({"stage": asker, "model": model, "dollars": 0.0, **lost})
        text = (
            f"{len(own)} calls to {model} were in flight when a session was killed, and are made "
            f"again: ${sum(own):.4f} at most that its provider may bill and the ledger does not add"
        )
        run.emit({"kind": "warning", "stage": stage, "text": text})
    return books(run, stage)


def ledger(run: Run, *stages: str) -> list[dict[str, Any]]:
    """The calls that `stages` have paid."""
    bills = events.read(run.folder / "ledger.jsonl")
    return [bill for bill in bills if bill.get("stage") in stages and "lost" not in bill]


def _say(run: Run, text: str) -> None:
    run.emit({"kind": "note", "stage": STAGE, "text": text})
