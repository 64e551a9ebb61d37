"""A teacher that checks the statements of what the stages wrote: asked, and believed or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from haiga import events, store
from haiga.curation.asking import in_order
from haiga.curation.breaker import stop_if_most_fail
from haiga.evaluation.checks import Parts, spread
from haiga.evaluation.conditions import Item
from haiga.evaluation.rating.rubric import Bench
from haiga.evaluation.rating.statements import CHECK, Case, Cell, Checks, Inquiry, check
from haiga.evaluation.run import Asked
from haiga.pipeline.judge_terms import CLAIMS
from haiga.pipeline.run import Run
from haiga.pipeline.teaching import books, ledger, words
from haiga.recipe.bind import bind
from haiga.recipe.schema import Claims
from haiga.store.files import read_json, write_json
from haiga.teachers import TEACHERS, Request, Teacher
from haiga.teachers.cache import is_cached, kept
from haiga.teachers.client import Remote
from haiga.teachers.estimate import Cost, estimate
from haiga.teachers.opened import made_of, open_teacher
from haiga.teachers.prices import price_of
from haiga.teachers.rehearsal import rehearsed

STAGE: Final = "claims"
SAID, FOUND = "claims.json", "claims.jsonl"


def measure(run: Run, items: Sequence[Item], asked: Asked) -> dict[Cell, dict[str, Parts]]:
    """(stage, condition) -> check -> parts, for the tables of the run.

    Nothing where the recipe names no teacher for it, or none that can be believed.

    Raises:
        DataError: most texts failed.
        BudgetError: the next call could cost too much; what was found is kept.
    """
    section = run.recipe.evaluate.claims
    if section is None:
        return {}
    inquiry, places = inquiry_of(run, section, items, asked)
    announced = cost(run, section, inquiry)
    if announced is not None:
        text = f"asking {section.teacher['model']} about statements: about {words(announced)}"
        run.emit({"kind": "note", "stage": STAGE, "text": text})
    found, failures = _ask(run, section, inquiry)
    said = inquiry.result(found, failures)
    write_json(run.folder / "evaluation" / SAID, said)
    for fault in said["why"]:
        run.emit({"kind": "note", "stage": STAGE, "text": f"the teacher {fault}"})
    if said["why"]:
        return {}
    return {cell: {CHECK: spread(inquiry.parts(found, cell), places, len(items))}
            for cell in inquiry.cells}  # fmt: skip


def inquiry_of(
    run: Run, section: Claims, items: Sequence[Item], asked: Asked
) -> tuple[Inquiry, list[int]]:
    """What the teacher is asked, and the places of the items that it is asked about."""
    seeing = [at for at, item in enumerate(items) if item.pictures]
    drawn = np.random.default_rng([run.recipe.seed, 0xC1A1]).permutation(seeing)[: section.items]
    places = sorted(drawn.tolist())
    pictures = store.FinalPictures(run.data("04_final").path)
    cells = {
        (stage, condition): [answers[at] for at in places]
        for stage, by_condition in asked.items()
        for condition, answers in by_condition.items()
        if condition in {"full", *section.conditions}
    }
    bench = Bench(made_of(section.teacher), pictures)
    chosen = [items[at] for at in places]
    return Inquiry(bench, chosen, cells, section.controls, run.recipe.seed), places


def cost(run: Run, section: Claims, inquiry: Inquiry) -> Cost | None:
    """What the teacher will cost from here; None where it is paid nothing."""
    teacher: Teacher = bind(TEACHERS, section.teacher, CLAIMS)()
    if not isinstance(teacher, Remote):
        return None
    where, made = books(run, STAGE), made_of(section.teacher)
    known = _known(run)

    def requests() -> Iterator[Request]:
        asked: list[Request] = []
        counted = rehearsed(teacher, partial(kept, where.answers, made_of=made), asked)
        for case in inquiry.cases():
            if case.key not in known:
                check(counted, case, inquiry.bench.pictures)
                yield from asked
                asked.clear()

    return estimate(
        teacher,
        requests(),
        price_of(teacher.model, where.prices),
        ledger=ledger(run, STAGE),
        is_kept=lambda request: is_cached(where.answers, request, made),
    )


def refused(run: Run) -> str | None:
    """Why the teacher's figures are in no table, as a sentence; None where they are in some."""
    if run.recipe.evaluate.claims is None:
        return None
    path = run.folder / "evaluation" / SAID
    why = (read_json(path) or {}).get("why", [])
    if not why:
        return None
    return (
        f"The teacher of [evaluate.claims] {'; and it '.join(why)}. What it said is in no table, "
        f"and in {path}. Name another one, and run `haiga evaluate` again; nothing else is made "
        "anew."
    )


def _ask(run: Run, section: Claims, inquiry: Inquiry) -> tuple[dict[str, Checks], list[str]]:
    """What was found, by the keys of cases; each is kept as it comes. And why others failed."""
    found = _known(run)
    todo = [case for case in inquiry.cases() if case.key not in found]
    keep = events.to_jsonl(run.folder / "evaluation" / FOUND)
    jobs: list[Callable[[Teacher], Checks | str]] = [
        partial(check, case=case, pictures=inquiry.bench.pictures) for case in todo
    ]
    teacher = open_teacher(section.teacher, CLAIMS, books(run, STAGE), lambda: jobs)
    failures: list[str] = []
    outcomes = in_order(teacher, (partial(job, teacher) for job in jobs))
    try:
        for tried, (case, outcome) in enumerate(zip(todo, outcomes, strict=True), start=1):
            if isinstance(outcome, str):
                failures.append(outcome)
                stop_if_most_fail("texts", failures, tried)
            else:
                found[case.key] = outcome
                keep(_row(case, outcome))
            run.emit({"kind": "progress", "stage": STAGE, "done": tried, "total": len(todo)})
    finally:
        outcomes.close()
    return found, failures


def _row(case: Case, checks: Checks) -> dict[str, Any]:
    return {"key": case.key, "id": case.item.id, "text": case.text, "checks": list(checks)}


def _known(run: Run) -> dict[str, Checks]:
    rows: Sequence[Mapping[str, Any]] = events.read(run.folder / "evaluation" / FOUND)
    return {row["key"]: [tuple(each) for each in row["checks"]] for row in rows}
