"""From a source to groups: 00_raw, 03_quality_checked, 04_final.

01_filtered is `curation.filtering`; 02_captioned, where a teacher writes, `curation.captioning`.

Every stage is a folder with a manifest; a stage whose manifest fits is not run again. A row that
leaves is in the stage's `dropped` with its reason; a text that leaves while its row stays is kept
beside the row, as `caption_fault`, `failures` or `set_aside`. A stage's quality is the mean share
of a kept row's texts that it left standing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count, islice
from types import MappingProxyType
from typing import Any, TypeAlias

from haiga.curation import captions
from haiga.curation.breaker import stop_if_most_fail
from haiga.curation.groups import groups_of
from haiga.curation.ranking import Ranking, ranked
from haiga.curation.rows import raw_rows
from haiga.curation.split import split, together
from haiga.curation.sweep import SHARD, Row, parted, sweep
from haiga.events import Sink
from haiga.recipe.checks import traces_of
from haiga.records import Group
from haiga.sources import SERIES, Found
from haiga.store import Folder, PictureFiles, Some, require_manifest, write_final

Pairs: TypeAlias = Callable[[], Iterator[tuple[Row, list[Row]]]]
"""Every row with those of its texts that the rules let stand, from the first on at each call."""
Sort: TypeAlias = Callable[[Row, list[Row]], tuple[list[Row], list[Row]]]
"""(row, texts) -> those that stand, and those that are set aside, each with its "reason"."""


def gather(
    found: Callable[[int], Iterator[Found]], raw: Folder, options: Mapping[str, Any], emit: Sink
) -> None:
    """00_raw: everything that the source finds, its pictures stored once as they came.

    `found(skip)` goes on after the first `skip` things, so that an interrupted gathering loses at
    most one shard of 256. A thing that its source found at fault is dropped for that reason.

    Raises:
        DataError: of a shard's things every one is at fault.
    """
    if raw.is_complete("00_raw", options, {}):
        return
    files = PictureFiles(raw.path)
    with raw.writer("00_raw", options, {}) as writer:
        shard = next(n for n in count() if not writer.has(n))
        done = shard * SHARD
        things = _told(found(done), done, emit)
        while chunk := list(islice(things, SHARD)):
            faults = [thing.fault for thing in chunk if thing.fault]
            if len(faults) == len(chunk):
                what = f"things of the source, from {chunk[0].id} on,"
                stop_if_most_fail(what, faults, len(chunk))
            writer.write(shard, *parted(raw_rows(chunk, files)))
            shard += 1
            done += len(chunk)
    emit({"kind": "progress", "stage": "00_raw", "done": done, "total": done})
    if first := next(iter(raw.dropped()), None):
        made = require_manifest(raw.path)
        why = ", ".join(f"{reason} {count}" for reason, count in made.reasons.items())
        text = (
            f"{made.counts['dropped']} of the {done} things of the source cannot be used ({why}); "
            f"the first is {first['id']}"
        )
        emit({"kind": "warning", "stage": "00_raw", "text": text})


def _told(things: Iterator[Found], done: int, emit: Sink) -> Iterator[Found]:
    """`things`, their number told once a second at most: the first at once, since some are slow."""
    told = -1.0
    for number, thing in enumerate(things, done + 1):
        if (now := time.monotonic()) - told >= 1.0:
            emit({"kind": "progress", "stage": "00_raw", "done": number})
            told = now
        yield thing


def check_captions(
    captioned: Folder,
    target: Folder,
    options: Mapping[str, Any],
    *,
    rules: Mapping[str, Sequence[captions.Rule]],
    gate: Callable[[Pairs], Sort] | None = None,
    rankings: Mapping[str, Ranking] = MappingProxyType({}),
) -> None:
    """03_quality_checked: the rules of each task on its texts, then the gate on those that stand,
    then the rankings of those that are left.

    A text that fails is set aside. The gate looks at all rows once before the first is written.

    A rejected answer that a teacher made of a chosen one need not be good, and goes where that
    one goes. The trace of a text is judged as the text is, where it has no rules of its own.
    """
    parents = {"02_captioned": captioned.fingerprint()}
    if target.is_complete("03_quality_checked", options, parents):
        return
    rows = captioned.rows()
    rules = {**{traces_of(task): own for task, own in rules.items()}, **rules}

    def pairs() -> Iterator[tuple[Row, list[Row]]]:
        return ((row, _sorted_out(row, rules)[0]) for row in rows)

    def decide(at: int) -> Row:
        good, bad = _sorted_out(rows[at], rules)
        if sort is not None:
            good, unlike = sort(rows[at], good)
            bad += unlike
        row = {**rows[at], "answers": ranked(rows[at], good, rankings), "set_aside": bad}
        if good:
            return {**row, "quality": len(good) / (len(good) + len(bad))}
        return {**row, "reason": f"{bad[0]['task']}: {bad[0]['reason']}"}

    with target.writer("03_quality_checked", options, parents) as writer:
        sort = gate(pairs) if gate is not None else None
        sweep(writer, len(rows), partial(map, decide))


def _sorted_out(
    row: Row, rules: Mapping[str, Sequence[captions.Rule]]
) -> tuple[list[Row], list[Row]]:
    """A row's texts: those that stand, and those that are set aside, each with its "reason"."""
    good, bad = [], []
    meta = json.loads(row["meta"])
    for text in row["answers"]:
        judged = text.get("of") or text["text"]
        fault = captions.fault(judged, row["language"], rules.get(text["task"], ()), meta)
        if fault is None:
            good.append(text)
        else:
            bad.append({**text, "reason": fault})
    return good, bad


def finalise(
    checked: Folder,
    target: Folder,
    options: Mapping[str, Any],
    *,
    sizes: Mapping[str, int],
    seed: int,
    balance: Callable[[Sequence[Row]], Mapping[str, str]] | None = None,
) -> None:
    """04_final: groups, split by cluster, with their pictures inside.

    `balance` gives the rows of the training split that are too many, each with the reason. What is
    held out stays as it came, so that scores before and after are scores of the same.
    """
    parents = {"03_quality_checked": checked.fingerprint()}
    if target.is_complete("04_final", options, parents):
        return
    rows = checked.rows()
    kin = [(row["cluster"], str(json.loads(row["meta"]).get(SERIES) or "")) for row in rows]
    where = split(together(kin), sizes, seed)
    parts = {
        name: Some(rows, [at for at, each in enumerate(where) if each == name])
        for name in ("train", *sizes)
    }
    out = balance(parts["train"]) if balance is not None else {}

    def groups(part: Sequence[Row]) -> Iterator[Group]:
        return (group for row in part if row["id"] not in out for group in groups_of(row, seed))

    write_final(
        target.path,
        {name: groups(part) for name, part in parts.items()},
        PictureFiles(checked.path.parent / "00_raw"),
        options=options,
        parents=parents,
        dropped=[{**row, "reason": out[row["id"]]} for row in parts["train"] if row["id"] in out]
        if out
        else (),
        rebuild=target.rebuild,
    )
