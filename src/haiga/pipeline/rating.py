"""The judge of what the stages wrote: opened, asked, and told how far it may be believed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from haiga import store
from haiga.errors import RecipeError
from haiga.evaluation.checks import Parts
from haiga.evaluation.conditions import Item
from haiga.evaluation.rating import hearing as hearings
from haiga.evaluation.rating import labels
from haiga.evaluation.rating.asking import Judgements, ask, kept, open_questions, outcome
from haiga.evaluation.rating.hearing import JUDGED, REHEARSED, Hearing, standing
from haiga.evaluation.run import Asked
from haiga.pipeline import claiming, tables
from haiga.pipeline.hearings import expected, hearing_of, read_texts
from haiga.pipeline.judge_terms import PATH
from haiga.pipeline.questions import items_of
from haiga.pipeline.run import Run
from haiga.pipeline.teaching import books, ledger, open_books, words
from haiga.recipe.bind import bind
from haiga.recipe.schema import Judge
from haiga.store.files import read_json, write_json
from haiga.teachers import TEACHERS
from haiga.teachers import estimate as estimates
from haiga.teachers.cache import is_cached
from haiga.teachers.client import Remote, Teacher
from haiga.teachers.opened import made_of, open_teacher
from haiga.teachers.prices import price_of

STAGE: Final = "judge"
KEPT: Final = "judgements.jsonl"
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
    hearing = hearing_of(run, items, asked)
    _announce(run, section, hearing)
    folder = run.folder / "evaluation"
    path = folder / KEPT
    questions = hearing.questions()
    jobs = [partial(outcome, question=each) for each in open_questions(questions, path)]
    teacher = open_teacher(section.teacher, PATH, open_books(run, STAGE), lambda: jobs)
    found = ask(teacher, questions, path, run.emit)
    result = _write(run, hearing, found, hearing.result(found))
    rehearsal = result["status"] == "rehearsal"
    for sentence in result["why"]:
        run.emit({"kind": "note", "stage": STAGE, "text": sentence})
    if result["status"] in ("invalid", "unreliable"):
        return {}
    return hearings.parts(hearing, found, items, REHEARSED if rehearsal else JUDGED)


def measure(run: Run) -> dict[str, Any]:
    """What the last judge said, with how far it agrees with the people who have labelled since."""
    result, section = read(run), run.recipe.evaluate.judge
    if not result or section is None:
        return {}
    folder = run.folder / "evaluation"
    hearing = hearing_of(run, items_of(run), read_texts(run))
    return _write(run, hearing, Judgements(kept(folder / KEPT)), result)


def _write(run: Run, hearing: Hearing, found: Judgements, result: dict[str, Any]) -> dict[str, Any]:
    """judge.json: the result, what people said of the same pairs, and the judge's standing."""
    folder = run.folder / "evaluation"
    said = labels.read(folder / "labels")
    pairs = labels.draw(hearing.duels, None, run.recipe.seed)
    people = labels.measured(said, pairs, hearing.bench, found, run.recipe.seed)
    result = {**result, "people": people}
    result |= standing(
        result,
        rehearsal=result["judge"]["name"] == "witness",
        labelled=people["labelled"] >= labels.ENOUGH,
    )
    write_json(folder / "judge.json", result)
    return result


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
    """What the judge, and who checks statements, will cost from here; nothing is asked.

    Answers that are not written yet are taken to be like the texts written about their pictures.

    Raises:
        RecipeError: the recipe names neither.
        StoreError: there are no held-out pictures yet.
    """
    section, claims = run.recipe.evaluate.judge, run.recipe.evaluate.claims
    if section is None and claims is None:
        raise RecipeError(
            "evaluate.judge: the recipe names no judge, so there is nothing to estimate. Name one: "
            'teacher = { name = "anthropic", model = …, max_dollars = … }.'
        )
    store.require_manifest(run.data("04_final").path)
    items = items_of(run)
    found: dict[str, estimates.Cost | None] = {}
    if section is not None:
        hearing = hearing_of(run, items, expected(run, section, items))
        found[f"{section.teacher.get('model')}, judging"] = _cost(run, section, hearing)
    if claims is not None:
        inquiry, _ = claiming.inquiry_of(run, claims, items, expected(run, claims, items))
        name = f"{claims.teacher.get('model')}, checking statements"
        found[name] = claiming.cost(run, claims, inquiry)
    tables.costs({name: each for name, each in found.items() if each is not None})
    print(f"Nothing was asked. Next: haiga evaluate {words}")


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
