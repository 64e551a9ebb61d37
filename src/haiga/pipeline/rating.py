"""The judge of what the stages wrote: opened, asked, and told how far it may be believed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from haiga import store
from haiga.errors import HaigaError, RecipeError
from haiga.evaluation.checks import Parts
from haiga.evaluation.conditions import Item
from haiga.evaluation.rating import hearing as hearings
from haiga.evaluation.rating.asking import ask, open_questions, outcome
from haiga.evaluation.rating.hearing import JUDGED, REHEARSED, Hearing, Settings, standing
from haiga.evaluation.rating.rubric import Bench
from haiga.evaluation.run import Asked, read_answers
from haiga.pipeline import tables
from haiga.pipeline.questions import answering_names, items_of
from haiga.pipeline.run import Run
from haiga.pipeline.teaching import books, ledger, words
from haiga.recipe.bind import bind
from haiga.recipe.schema import Judge, Recipe
from haiga.store.files import read_json, write_json
from haiga.teachers import TEACHERS, VERSIONS
from haiga.teachers import estimate as estimates
from haiga.teachers.cache import is_cached
from haiga.teachers.client import Remote, Teacher
from haiga.teachers.opened import key_faults, made_of, open_teacher, term_faults
from haiga.teachers.poet import Poet
from haiga.teachers.prices import price_of
from haiga.teachers.witness import Witness

PATH: Final = "evaluate.judge.teacher"
STAGE: Final = "judge"
Cells = dict[tuple[str, str], dict[str, Parts]]


def judge(run: Run, items: Sequence[Item], asked: Asked) -> Cells:
    """Ask the recipe's judge about the answers; evaluation/judge.json has what it said.

    Returns:
        (stage, condition) -> check -> parts, for the tables of the run. Nothing where there is no
        judge, or none that can be believed.

    Raises:
        DataError: most questions failed.
        BudgetError: the next call could cost too much; what was answered is kept.
    """
    section = run.recipe.evaluate.judge
    if section is None:
        return {}
    hearing = hearing_of(run, section, items, asked)
    _announce(run, section, hearing)
    folder = run.folder / "evaluation"
    kept = folder / "judgements.jsonl"
    questions = hearing.questions()
    jobs = [partial(outcome, question=each) for each in open_questions(questions, kept)]
    teacher = open_teacher(section.teacher, PATH, books(run, STAGE), lambda: jobs)
    found = ask(teacher, questions, kept, run.emit)
    result = hearing.result(found)
    rehearsal = isinstance(teacher, Witness)
    result |= standing(result, rehearsal=rehearsal, labelled=False)
    write_json(folder / "judge.json", result)
    for sentence in result["why"]:
        run.emit({"kind": "note", "stage": STAGE, "text": sentence})
    if result["status"] in ("invalid", "unreliable"):
        return {}
    return hearings.parts(hearing, found, items, REHEARSED if rehearsal else JUDGED)


def read(run: Run) -> dict[str, Any]:
    """What the last judge said; nothing where there was none, or the recipe has none now."""
    if run.recipe.evaluate.judge is None:
        return {}
    return read_json(run.folder / "evaluation" / "judge.json") or {}


def refused(run: Run) -> str | None:
    """Why the judge's figures are no headline, as a sentence; None where they may be one."""
    found = read(run)
    if found.get("status") not in ("invalid", "unreliable"):
        return None
    return (
        f"The judge is {found['status']}, and its figures are in no table: "
        f"{'; '.join(found['why'])}. They are in {run.folder / 'evaluation' / 'judge.json'}. Name "
        "another judge under [evaluate.judge], and run `haiga evaluate` again; nothing else is "
        "made anew."
    )


def estimate(run: Run, words: str) -> None:
    """What the judge will cost from here; nothing is asked.

    Answers that are not written yet are taken to be like the texts written about their pictures.

    Raises:
        RecipeError: the recipe names no judge.
        StoreError: there are no held-out pictures yet.
    """
    section = run.recipe.evaluate.judge
    if section is None:
        raise RecipeError(
            "evaluate.judge: the recipe names no judge, so there is nothing to estimate. Name one: "
            'teacher = { name = "anthropic", model = …, max_dollars = … }.'
        )
    store.require_manifest(run.data("04_final").path)
    items = items_of(run)
    found = _cost(run, section, hearing_of(run, section, items, _expected(run, section, items)))
    tables.costs({} if found is None else {section.teacher["model"]: found})
    print(f"Nothing was asked. Next: haiga evaluate {words}")


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


def hearing_of(run: Run, section: Judge, items: Sequence[Item], asked: Asked) -> Hearing:
    """The answers as they come before the judge."""
    seeing = [at for at, item in enumerate(items) if item.pictures]
    drawn = np.random.default_rng([run.recipe.seed, 0x1D9E]).permutation(seeing)[: section.items]
    chosen = sorted(drawn.tolist())
    judged = [items[at] for at in chosen]
    pictures = store.FinalPictures(run.data("04_final").path)
    ids = {picture.id for item in judged for picture in item.pictures}
    conditions = {"full", *section.conditions}
    return Hearing(
        Bench(_made_of(section), {each: pictures[each] for each in sorted(ids)}),
        judged,
        {
            stage: {
                name: [answers[at] for at in chosen]
                for name, answers in by_condition.items()
                if name in conditions
            }
            for stage, by_condition in asked.items()
        },
        {stage: start for stage in asked if (start := run.recipe.stage[stage].starts_from)},
        Settings(section.repeats, section.controls, section.against),
        run.recipe.seed,
    )


def _made_of(section: Judge) -> dict[str, Any]:
    return {**made_of(section.teacher), **VERSIONS.get(section.teacher["name"], {})}


def _expected(run: Run, section: Judge, items: Sequence[Item]) -> Asked:
    """The answers that are there, and the references where there are none."""
    there = read_answers(run.folder / "evaluation")
    asked: dict[str, dict[str, list[str]]] = {}
    for stage in answering_names(run):
        asked[stage] = {}
        seeing = run.recipe.stage[stage].pictures
        for condition in ("full", *section.conditions) if seeing else ("blind",):
            rows = there.get(stage, {}).get(condition, [])
            known = {row["id"]: row["answer"] for row in rows}
            # Told apart: equal answers would be one question.
            asked[stage][condition] = [
                known.get(item.id, f"{item.reference} {stage} {condition}") for item in items
            ]
    return asked


def _announce(run: Run, section: Judge, hearing: Hearing) -> None:
    expected = _cost(run, section, hearing)
    if expected is not None:
        model = section.teacher["model"]
        text = f"asking {model} about {len(hearing.items)} pictures: about {words(expected)}"
        run.emit({"kind": "note", "stage": STAGE, "text": text})


def _cost(run: Run, section: Judge, hearing: Hearing) -> estimates.Cost | None:
    teacher: Teacher = bind(TEACHERS, section.teacher, PATH)()
    if not isinstance(teacher, Remote):
        return None
    where, made = books(run, STAGE), made_of(section.teacher)
    return estimates.estimate(
        teacher,
        (question.request for question in hearing.questions()),
        price_of(teacher.model, where.prices),
        ledger=ledger(run, STAGE),
        is_kept=lambda request: is_cached(where.answers, request, made),
    )
