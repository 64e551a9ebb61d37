"""Texts that are written once more, because they are hardly like their pictures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial

from haiga import store
from haiga.curation.asking import Again, again, in_order, once_more, requests
from haiga.curation.rows import own_texts
from haiga.pipeline.run import Run
from haiga.pipeline.teaching import expect, ledger, open_books, opened_all, words
from haiga.pipeline.writers import PATH, writers
from haiga.recipe.schema import Teach
from haiga.reporting.words import WRITING
from haiga.teachers.bulk.fill import Job
from haiga.teachers.by_task import author
from haiga.teachers.client import Remote, Request
from haiga.teachers.estimate import Cost, actual

STAGE = WRITING[1]


def rewrite(run: Run, wanted: Sequence[Again]) -> Iterator[tuple[Mapping[str, str], str | None]]:
    """For each text that is wanted, another one and None, or why none came; in their order.

    What it will cost is said before, and what it did cost afterwards.

    Raises:
        BudgetError: the next call could cost too much.
    """
    section = run.recipe.teach
    if section is None or not wanted:
        return
    files = store.PictureFiles(run.data("00_raw").path)
    by_path = {
        writer.path: [each for each in wanted if _path(section, each.task) == writer.path]
        for writer in writers(section)
    }
    before, began = len(ledger(run, STAGE)), time.monotonic()
    expected = dict(_expected(run, section, by_path, files))
    for model, cost in expected.items():
        _say(run, f"asking {model} again: about {words(cost)}")
    jobs = {path: partial(_jobs, own, files) for path, own in by_path.items()}
    try:
        teacher = opened_all(section, open_books(run, STAGE), jobs)
        tasks = (partial(once_more, teacher, each, files) for each in wanted)
        with closing(in_order(teacher, tasks)) as outcomes:
            for each, (text, failure) in zip(wanted, outcomes, strict=True):
                yield (
                    {"task": each.task, "source": author(teacher, each.task), "text": text},
                    failure,
                )
    finally:
        for model, cost in expected.items():
            bills = [bill for bill in ledger(run, STAGE)[before:] if bill["model"] == model]
            paid = actual(bills, time.monotonic() - began)
            _say(run, f"{model}: {words(paid)}; estimated were {words(cost)}")


def cost_at_most(run: Run) -> dict[str, Cost]:
    """Model -> what it will cost if every text must be written again; empty without a gate.

    How many lie between the gates is known once they are there.
    """
    section, gate = run.recipe.teach, run.recipe.curate.similarity
    if section is None or gate is None:
        return {}
    files, found = store.PictureFiles(run.data("00_raw").path), {}
    for writer in writers(section):
        teacher = writer.bound()
        if isinstance(teacher, Remote):
            tasks = [task for task in gate.tasks if _path(section, task) == writer.path]
            asked = (
                request
                for row in run.data("01_filtered").rows()
                for request in _all_again(row, tasks, section.calls(), files)
            )
            found[teacher.model] = expect(run, writer, teacher, asked)
    return {model: cost for model, cost in found.items() if cost.calls}


def _all_again(
    row: Mapping[str, object],
    tasks: Iterable[str],
    calls: Mapping[str, int],
    files: store.PictureFiles,
) -> Iterator[Request]:
    own = [text["task"] for text in own_texts(row)]
    texts = {task: calls.get(task, 0) + own.count(task) for task in tasks}
    return requests(row, files, texts, calls) if row["pictures"] else iter(())


def _path(section: Teach, task: str) -> str:
    """Where in the recipe the teacher stands who writes a task, also one that nobody was asked."""
    return f"teach.teachers.{task}" if task in section.teachers else PATH


def _jobs(wanted: Sequence[Again], files: store.PictureFiles) -> Iterator[Job]:
    return (partial(once_more, wanted=each, pictures=files) for each in wanted)


def _expected(
    run: Run,
    section: Teach,
    by_path: Mapping[str, Sequence[Again]],
    files: store.PictureFiles,
) -> Iterator[tuple[str, Cost]]:
    for writer in writers(section):
        teacher, own = writer.bound(), by_path[writer.path]
        if isinstance(teacher, Remote) and own:
            yield teacher.model, expect(run, writer, teacher, (again(each, files) for each in own))


def _say(run: Run, text: str) -> None:
    run.emit({"kind": "note", "stage": STAGE, "text": text})
