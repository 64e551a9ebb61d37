"""From a source to groups: 00_raw, 01_filtered, 02_captioned, 03_quality_checked, 04_final.

Every stage is a folder with a manifest; a stage whose manifest fits is not run again. A row that
leaves is in the stage's `dropped` with its reason; a text that leaves while its row stays is kept
beside the row, as `caption_fault`, `failures` or `set_aside`. A stage's quality is the mean share
of a kept row's texts that it left standing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

from haiga.curation import captions, duplicates, pictures
from haiga.curation.asking import ask
from haiga.curation.breaker import stop_if_most_fail
from haiga.curation.groups import groups_of
from haiga.curation.measurements import measured
from haiga.curation.rows import own_texts, raw_row
from haiga.curation.split import split
from haiga.events import Sink
from haiga.records import Group
from haiga.sources import Found
from haiga.store import Folder, PictureFiles, Writer, write_final
from haiga.teachers import Teacher

SHARD = 256
PAID_SHARD = 32
"""Rows whose calls may have to be paid again after a kill."""
Row = dict[str, Any]


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
        things = found(done)
        while chunk := list(islice(things, SHARD)):
            faults = [thing.fault for thing in chunk if thing.fault]
            if len(faults) == len(chunk):
                stop_if_most_fail("things of the source", faults, len(chunk))
            rows = [raw_row(thing, files) for thing in chunk]
            writer.write(shard, *_parted(rows))
            shard += 1
            done += len(chunk)
            emit({"kind": "progress", "stage": "00_raw", "done": done})
    emit({"kind": "progress", "stage": "00_raw", "done": done, "total": done})
    if left := list(raw.dropped()):
        text = (
            f"{len(left)} of the {done} things of the source cannot be used; the first, "
            f"{left[0]['id']}: {left[0]['reason']}"
        )
        emit({"kind": "warning", "stage": "00_raw", "text": text})


def filter_rows(
    raw: Folder,
    target: Folder,
    options: Mapping[str, Any],
    *,
    picture_rules: Sequence[pictures.Rule],
    caption_rules: Sequence[captions.Rule],
    hamming: int,
    emit: Sink,
) -> None:
    """01_filtered: picture rules, then duplicates, then rules for the source's own captions.

    A picture that fails takes its row with it. A caption that fails is set aside and its picture
    stays: a teacher may still write about it.
    """
    parents = {"00_raw": raw.fingerprint()}
    if target.is_complete("01_filtered", options, parents):
        return
    rows = list(raw.rows())

    def decide(at: int) -> Row:
        row, verdict = rows[at], verdicts[at]
        taken = {id_: values[id_] for id_ in row["pictures"]}
        measurements = json.dumps(taken, ensure_ascii=False)
        if "reason" in verdict:
            return {**row, **verdict, "measurements": measurements}
        fault = captions.fault(row["caption"], row["language"], caption_rules)
        return {
            **row,
            **verdict,
            "caption_fault": fault or "",
            "quality": float(fault is None) if row["caption"] else None,
            "measurements": measurements,
        }

    with target.writer("01_filtered", options, parents) as writer:
        values = _measurements(rows, raw, target.path.parent / "measurements", writer, emit)
        verdicts = _verdicts(rows, values, picture_rules, hamming)
        _sweep(writer, len(rows), partial(map, decide))


def _measurements(
    rows: Sequence[Row], raw: Folder, folder: Path, writer: Writer, emit: Sink
) -> dict[str, dict[str, Any]]:
    """The measurements of every picture of `rows`, kept in `folder`."""
    ids = list(dict.fromkeys(id_ for row in rows for id_ in row["pictures"]))
    done = 0

    def progress(number: int) -> None:
        nonlocal done
        done += number
        writer.keep_time()
        emit({"kind": "progress", "stage": "01_filtered", "done": done, "total": len(ids)})

    files = PictureFiles(raw.path)
    return measured(folder, pictures.MEASURE, ids, files, pictures.measure, progress=progress)


def _verdicts(
    rows: Sequence[Row],
    values: Mapping[str, Mapping[str, Any]],
    rules: Sequence[pictures.Rule],
    hamming: int,
) -> list[dict[str, str]]:
    """For each row why it must go ("reason"), or the "cluster" that it belongs to."""
    verdicts = [{"cluster": row["id"]} for row in rows]
    standing = []
    for at, row in enumerate(rows):
        if reason := pictures.fault([values[id_] for id_ in row["pictures"]], rules):
            verdicts[at] = {"reason": reason}
        elif row["pictures"]:
            standing.append(at)
    hashes = [[values[id_]["phash"] for id_ in rows[at]["pictures"]] for at in standing]
    twins, clusters = duplicates.find(hashes, hamming)
    for at, twin, cluster in zip(standing, twins, clusters, strict=True):
        verdicts[at] = {"cluster": rows[standing[cluster]]["id"]}
        if twin >= 0 and not rows[at].get("conversation"):
            other = rows[standing[twin]]
            same = rows[at]["pictures"] == other["pictures"]
            reason = "same file as another" if same else f"near-duplicate (Hamming <= {hamming})"
            verdicts[at] = {"reason": reason, "duplicate_of": other["id"]}
    return verdicts


def caption(
    filtered: Folder,
    target: Folder,
    options: Mapping[str, Any],
    *,
    teacher: Callable[[], Teacher] | None,
    answers: Mapping[str, int],
    emit: Sink,
) -> None:
    """02_captioned: the source's own caption, and as many of the teacher's answers as a task asks.

    A call that failed drops nothing but itself: the row keeps its other texts, and the teacher's
    words in `failures`; a row left with no text at all is dropped. `teacher` is called for once
    there is something to ask.

    Raises:
        DataError: most calls failed.
        BudgetError: the next call could cost too much.
    """
    parents = {"01_filtered": filtered.fingerprint()}
    if target.is_complete("02_captioned", options, parents):
        return
    rows = list(filtered.rows())
    files = PictureFiles(filtered.path.parent / "00_raw")
    failed: list[str] = []
    calls = sum(answers.values()) if teacher else 0
    asked = 0

    def decide(ats: range) -> Iterator[Row]:
        nonlocal asked
        shard = [rows[at] for at in ats]
        if opened is None:
            yield from (_with_texts(row, [], [], 0) for row in shard)
        else:
            with closing(ask(opened, shard, files, answers=answers)) as answered:
                for row, (texts, failures) in zip(shard, answered, strict=True):
                    failed.extend(failures)
                    asked += calls
                    stop_if_most_fail("calls to the teacher", failed, asked)
                    yield _with_texts(row, texts, failures, calls)
        done = {"done": ats.stop, "total": len(rows)}
        emit({"kind": "progress", "stage": "02_captioned", **done})

    opened = teacher() if teacher else None
    with target.writer("02_captioned", options, parents) as writer:
        _sweep(writer, len(rows), decide, PAID_SHARD)
    _warn_of_failures(target, emit)


def _with_texts(row: Row, texts: list[dict[str, str]], failures: list[str], calls: int) -> Row:
    row = {**row, "failures": failures, "quality": 1 - len(failures) / calls if calls else None}
    texts = [*own_texts(row), *texts]
    if texts:
        return {**row, "answers": texts}
    if failures:
        return {**row, "reason": "every call to the teacher failed"}
    fault = f"the source's caption: {row['caption_fault']}" if row["caption"] else "no caption"
    return {**row, "reason": f"no text ({fault})"}


def _warn_of_failures(captioned: Folder, emit: Sink) -> None:
    """Name the calls that failed, in this session and in those before."""
    where = {row["id"]: row["failures"] for row in (*captioned.rows(), *captioned.dropped())}
    failures = [(id_, failure) for id_, each in where.items() for failure in each or ()]
    if failures:
        id_, failure = failures[0]
        text = f"{len(failures)} calls to the teacher failed; the first, on {id_}, with: {failure}"
        emit({"kind": "warning", "stage": "02_captioned", "text": text})


def check_captions(
    captioned: Folder,
    target: Folder,
    options: Mapping[str, Any],
    *,
    rules: Mapping[str, Sequence[captions.Rule]],
) -> None:
    """03_quality_checked: the rules of each task on its texts; a text that fails is set aside."""
    parents = {"02_captioned": captioned.fingerprint()}
    if target.is_complete("03_quality_checked", options, parents):
        return
    rows = list(captioned.rows())

    def decide(at: int) -> Row:
        good, bad = [], []
        for text in rows[at]["answers"]:
            task = text["task"]
            fault = captions.fault(text["text"], rows[at]["language"], rules.get(task, ()))
            if fault is None:
                good.append(text)
            else:
                bad.append({**text, "reason": fault})
        row = {**rows[at], "answers": good, "set_aside": bad}
        if good:
            return {**row, "quality": len(good) / (len(good) + len(bad))}
        return {**row, "reason": f"{bad[0]['task']}: {bad[0]['reason']}"}

    with target.writer("03_quality_checked", options, parents) as writer:
        _sweep(writer, len(rows), partial(map, decide))


def finalise(
    checked: Folder,
    target: Folder,
    options: Mapping[str, Any],
    *,
    sizes: Mapping[str, int],
    seed: int,
) -> None:
    """04_final: groups, split by cluster, with their pictures inside."""
    parents = {"03_quality_checked": checked.fingerprint()}
    if target.is_complete("04_final", options, parents):
        return
    rows = list(checked.rows())
    where = split([row["cluster"] for row in rows], sizes, seed)
    groups: dict[str, list[Group]] = {name: [] for name in ("train", *sizes)}
    for row, name in zip(rows, where, strict=True):
        groups[name].extend(groups_of(row, seed))
    files = PictureFiles(checked.path.parent / "00_raw")
    write_final(
        target.path, groups, files, options=options, parents=parents, rebuild=target.rebuild
    )


def _sweep(
    writer: Writer, rows: int, decide: Callable[[range], Iterable[Row]], size: int = SHARD
) -> None:
    """Shard by shard what `decide` makes of its rows; one with a "reason" is dropped."""
    for shard, start in enumerate(range(0, rows, size)):
        if writer.has(shard):
            continue
        decided = list(decide(range(start, min(start + size, rows))))
        writer.write(shard, *_parted(decided))


def _parted(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows that stay, and those with a "reason"."""
    kept = [row for row in rows if "reason" not in row]
    return kept, [row for row in rows if "reason" in row]
