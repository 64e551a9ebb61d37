"""A judge for pairs whose pictures nobody knows the content of: asked in both orders, and paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from haiga import store
from haiga.curation.asking import in_order
from haiga.curation.breaker import stop_if_most_fail
from haiga.errors import DataError, HaigaError, TeacherError
from haiga.pipeline.run import Run
from haiga.pipeline.teaching import books, ledger, open_books, words
from haiga.recipe.bind import bind
from haiga.recipe.schema import Recipe
from haiga.statistics.intervals import wilson
from haiga.statistics.paired import difference
from haiga.teachers import TEACHERS, Request, Teacher
from haiga.teachers.cache import is_cached, kept
from haiga.teachers.client import Remote
from haiga.teachers.estimate import estimate
from haiga.teachers.exchanges import EXCHANGES, Preference, prefer
from haiga.teachers.exchanges.words import template
from haiga.teachers.opened import key_faults, made_of, open_teacher, term_faults
from haiga.teachers.poet import Poet
from haiga.teachers.prices import price_of
from haiga.teachers.rehearsal import rehearsed

if TYPE_CHECKING:
    from haiga.evaluation.audit import Pair

PATH: Final = "audit.judge"
STAGE: Final = "audit"


def judged(run: Run, pairs: Sequence[Pair]) -> dict[str, Any] | None:
    """How often a judge prefers the chosen answer; None where the recipe names no judge.

    Of at most `audit.pairs` pairs, drawn by the recipe's seed. A pair is 1 where both orders prefer
    the chosen answer, -1 where both prefer the rejected one, else 0.

    Returns:
        The mean as "difference", with low, high, n, moved; "flipped", the share of pairs in which
        position decided; "failures", how many pairs could not be judged.

    Raises:
        DataError: most pairs could not be judged, or none.
        BudgetError: the next call could cost too much.
    """
    section = run.recipe.audit
    if section.judge is None:
        return None
    drawn = np.random.default_rng([run.recipe.seed, 0x1D6]).permutation(len(pairs))[: section.pairs]
    asked = [pairs[at] for at in sorted(drawn.tolist())]
    pictures = store.FinalPictures(run.data("04_final").path)
    _announce(run, section.judge, asked, pictures)
    jobs = [partial(_outcome, pair=pair, pictures=pictures) for pair in asked]
    teacher = open_teacher(section.judge, PATH, open_books(run, STAGE), lambda: jobs)
    outcomes = in_order(teacher, (partial(job, teacher) for job in jobs))
    found: list[tuple[Pair, Preference]] = []
    failures: list[str] = []
    try:
        for tried, (pair, outcome) in enumerate(zip(asked, outcomes, strict=True), start=1):
            if isinstance(outcome, str):
                failures.append(outcome)
                stop_if_most_fail("judgements", failures, tried)
            else:
                found.append((pair, outcome))
            run.emit({"kind": "progress", "stage": STAGE, "done": tried, "total": len(asked)})
    finally:
        outcomes.close()
    return _counted(found, failures, run.recipe.seed)


def faults(recipe: Recipe) -> Iterator[str]:
    """What must still be said before the judge can be asked."""
    component = recipe.audit.judge
    if component is None:
        return
    try:
        judge = bind(TEACHERS, component, PATH)()
        for file in EXCHANGES["preference"].words:
            template(file, recipe.language)
    except HaigaError as error:
        yield str(error)
        return
    if isinstance(judge, Poet):
        yield f"{PATH}: the poet reads no texts; name another judge, or leave it out"
    elif isinstance(judge, Remote):
        yield from (f"{PATH}.{fault}" for fault in term_faults(judge, recipe.prices))


def notes(recipe: Recipe) -> Iterator[str]:
    """What a person should know of the judge: that it has no key."""
    component = recipe.audit.judge
    judge = bind(TEACHERS, component, PATH)() if component is not None else None
    if isinstance(judge, Remote):
        yield from (f"{PATH}: {fault}. Set it before `haiga audit`." for fault in key_faults(judge))


def _announce(
    run: Run, component: Mapping[str, Any], pairs: Sequence[Pair], pictures: Mapping[str, bytes]
) -> None:
    """Say what the judge will cost, before it is asked."""
    judge = bind(TEACHERS, component, PATH)()
    if not isinstance(judge, Remote):
        return
    where, made = books(run, STAGE), made_of(component)

    def requests() -> Iterator[Request]:
        asked: list[Request] = []
        teacher = rehearsed(judge, partial(kept, where.answers, made_of=made), asked)
        for pair in pairs:
            _outcome(teacher, pair, pictures)
            yield from asked
            asked.clear()

    cost = estimate(
        judge,
        requests(),
        price_of(judge.model, where.prices),
        ledger=ledger(run, STAGE),
        is_kept=lambda request: is_cached(where.answers, request, made),
    )
    text = f"asking {judge.model} about {len(pairs)} pairs: about {words(cost)}"
    run.emit({"kind": "note", "stage": STAGE, "text": text})


def _outcome(teacher: Teacher, pair: Pair, pictures: Mapping[str, bytes]) -> Preference | str:
    """What was judged, or why it was not."""
    item = pair.item
    shown = tuple(pictures[picture.id] for picture in item.pictures)
    asked = "\n".join(message.text.strip() for message in item.prompt if message.role == "user")
    request = Request(item.task, asked, item.language, shown, meta=item.truth, row=item.id)
    try:
        return prefer(teacher, request, pair.chosen, pair.rejected)
    except TeacherError as error:
        return str(error)


def _counted(
    found: Sequence[tuple[Pair, Preference]], failures: Sequence[str], seed: int
) -> dict[str, Any]:
    if not found:
        raise DataError(f"{PATH}: not one of {len(failures)} pairs could be judged. {failures[0]}")
    values = {"first": 1.0, "equal": 0.0, "second": -1.0}
    column = [values[each.better] for _, each in found]
    gap = difference([0.0] * len(column), column, [pair.cluster for pair, _ in found], seed=seed)
    flipped = wilson(sum(each.flipped for _, each in found), len(found))
    return {**asdict(gap), "flipped": asdict(flipped), "failures": len(failures)}
