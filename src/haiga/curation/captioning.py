"""02_captioned: what a teacher writes about the pictures, beside what their source says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from typing import Any

from haiga.curation.asking import Answered, ask
from haiga.curation.breaker import stop_if_most_fail
from haiga.curation.exchanging import Exchanges, exchange
from haiga.curation.rows import own_texts
from haiga.curation.sweep import Row, sweep
from haiga.events import Sink
from haiga.store import Folder, PictureFiles
from haiga.teachers import Teacher

PAID_SHARD = 32
"""Rows whose calls may have to be paid again after a kill."""


def caption(
    filtered: Folder,
    target: Folder,
    options: Mapping[str, Any],
    *,
    teacher: Callable[[Sequence[Row]], Teacher] | None,
    answers: Mapping[str, int],
    exchanges: Exchanges,
    emit: Sink,
) -> None:
    """02_captioned: the source's own caption, and as many of the teacher's answers as a task asks.

    Then the exchanges about them, task by task. A call that failed drops nothing but itself: the
    row keeps its other texts, a text that an exchange fails on stays as it was, and the teacher's
    words are in `failures`; a row left with no text at all is dropped. `teacher` is called for
    with the rows that are left to ask about.

    Raises:
        DataError: most calls failed.
        BudgetError: the next call could cost too much.
    """
    parents = {"01_filtered": filtered.fingerprint()}
    if target.is_complete("02_captioned", options, parents):
        return
    rows = filtered.rows()
    files = PictureFiles(filtered.path.parent / "00_raw")
    tally = _Tally()

    def decide(ats: range) -> Iterator[Row]:
        shard = [rows[at] for at in ats]
        if opened is None:
            yield from (_with_texts(row, Answered(), Answered()) for row in shard)
        else:
            written = _written(opened, shard, files, answers, exchanges, tally)
            for row, (first, then) in zip(shard, written, strict=True):
                yield _with_texts(row, first, then)
        done = {"done": ats.stop, "total": len(rows)}
        emit({"kind": "progress", "stage": "02_captioned", **done})

    with target.writer("02_captioned", options, parents) as writer:
        left = [row for at, row in enumerate(rows) if not writer.has(at // PAID_SHARD)]
        opened = teacher(left) if teacher else None
        sweep(writer, len(rows), decide, PAID_SHARD)
    _warn_of_failures(target, emit)


class _Tally:
    """Calls of a session, and those that failed."""

    def __init__(self) -> None:
        self._failed: list[str] = []
        self._tried = 0

    def counted(self, answered: Iterable[Answered]) -> Iterator[Answered]:
        """`answered`, until most calls have failed."""
        for each in answered:
            self._failed.extend(each.failures)
            self._tried += each.calls
            stop_if_most_fail("calls to the teacher", self._failed, self._tried)
            yield each


def _written(
    teacher: Teacher,
    shard: Sequence[Row],
    files: PictureFiles,
    answers: Mapping[str, int],
    exchanges: Exchanges,
    tally: _Tally,
) -> Iterator[tuple[Answered, Answered]]:
    """What was answered about each row, and what came of talking about it."""
    with closing(ask(teacher, shard, files, answers=answers)) as first:
        drafts = list(tally.counted(first))
    texts = [each.texts for each in drafts]
    with closing(exchange(teacher, shard, texts, files, exchanges)) as then:
        yield from zip(drafts, tally.counted(then), strict=True)


def _with_texts(row: Row, first: Answered, then: Answered) -> Row:
    failures, calls = [*first.failures, *then.failures], first.calls + then.calls
    row = {
        **row,
        "failures": failures,
        "exchanges": json.dumps(then.notes, ensure_ascii=False),
        "quality": 1 - len(failures) / calls if calls else None,
    }
    texts = [*own_texts(row), *then.texts]
    if texts:
        return {**row, "answers": texts}
    if failures:
        return {**row, "reason": "every call to the teacher failed"}
    fault = f"the source's caption: {row['caption_fault']}" if row["caption"] else "no caption"
    return {**row, "reason": f"no text ({fault})"}


def _warn_of_failures(captioned: Folder, emit: Sink) -> None:
    """Name the calls that failed, in this session and in those before."""
    rows = chain(captioned.rows(), captioned.dropped())
    failures = [(row["id"], failure) for row in rows for failure in row["failures"] or ()]
    if failures:
        id_, failure = failures[0]
        text = f"{len(failures)} calls to the teacher failed; the first, on {id_}, with: {failure}"
        emit({"kind": "warning", "stage": "02_captioned", "text": text})
