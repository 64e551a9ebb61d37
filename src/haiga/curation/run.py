"""From a source to groups: 00_raw, 01_filtered, 02_captioned, 03_quality_checked, 04_final.

Every stage is a folder with a manifest; a stage whose manifest fits is not run again. A row that
leaves has its reason in the stage's `dropped`; a caption that leaves while its picture stays is
counted in the stage's `quality`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, islice
from typing import Any

from haiga.curation import duplicates, pictures
from haiga.curation.groups import groups_of
from haiga.curation.measurements import measured
from haiga.curation.split import split
from haiga.errors import TeacherError
from haiga.events import Sink
from haiga.records import Group
from haiga.sources import Found
from haiga.store import Folder, PictureFiles, write_final
from haiga.teachers import Request, Teacher
from haiga.teachers.tasks import draw_instruction

SHARD = 256
Row = dict[str, Any]
TextRule = Callable[[str, str], str | None]
PictureRule = Callable[[Mapping[str, Any]], str | None]


def gather(
    found: Callable[[int], Iterator[Found]], raw: Folder, options: Mapping[str, Any], emit: Sink
) -> None:
    """00_raw: everything that the source finds, its pictures stored once as they came.

    `found(skip)` goes on after the first `skip` things, so that an interrupted gathering loses at
    most one shard of 256.
    """
    if raw.is_complete("00_raw", options, {}):
        return
    files = PictureFiles(raw.path)
    with raw.writer("00_raw", options, {}) as writer:
        shard = next(n for n in count() if not writer.has(n))
        things = found(shard * SHARD)
        while chunk := list(islice(things, SHARD)):
            rows = [
                {
                    "id": thing.id,
                    "pictures": [files.add(data, suffix) for data, suffix in thing.pictures],
                    "caption": thing.caption,
                    "language": thing.language,
                    "meta": json.dumps(thing.meta, ensure_ascii=False),
                }
                for thing in chunk
            ]
            writer.write(shard, rows, [])
            shard += 1
            emit({"kind": "progress", "stage": "00_raw", "done": (shard - 1) * SHARD + len(rows)})


def filter_rows(
    raw: Folder,
    target: Folder,
    options: Mapping[str, Any],
    *,
    picture_rules: Sequence[PictureRule],
    caption_rules: Sequence[TextRule],
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
    ids = [id_ for row in rows for id_ in row["pictures"]]
    files = PictureFiles(raw.path)
    done = Counter[str]()

    def progress(number: int) -> None:
        done["pictures"] += number
        emit(
            {
                "kind": "progress",
                "stage": "01_filtered",
                "done": done["pictures"],
                "total": len(ids),
            }
        )

    values = measured(
        target.path.parent / "measurements",
        pictures.MEASURE,
        ids,
        files,
        pictures.measure,
        progress=progress,
    )
    reasons, clusters = _decide(rows, values, picture_rules, hamming)

    def decide(at: int, row: Row) -> Row:
        measurements = _json({id_: values[id_] for id_ in row["pictures"]})
        if reason := reasons[at]:
            return {**row, "reason": reason, "measurements": measurements}
        fault = _text_fault(row["caption"], row["language"], caption_rules)
        return {
            **row,
            "cluster": clusters.get(at, row["id"]),
            "caption_fault": fault or "",
            "measurements": measurements,
        }

    _sweep(target, "01_filtered", options, parents, rows, decide)


def caption(
    filtered: Folder,
    target: Folder,
    options: Mapping[str, Any],
    *,
    teacher: Teacher,
    tasks: Sequence[str],
    answers: int,
    emit: Sink,
    spend: Callable[[Mapping[str, Any]], None],
) -> None:
    """02_captioned: the source's own caption, and the teacher's answers to each task.

    A call that failed drops nothing but itself: the row keeps its other answers; a row left with
    no answer at all is dropped with the teacher's words. `spend` is told of every paid call.
    """
    parents = {"01_filtered": filtered.fingerprint()}
    if target.is_complete("02_captioned", options, parents):
        return
    rows = list(filtered.rows())
    files = PictureFiles(filtered.path.parent / "00_raw")

    def decide(at: int, row: Row) -> Row:
        texts, faults = _ask(teacher, row, files, tasks, answers, spend)
        if row["caption"] and not row["caption_fault"]:
            texts.insert(0, {"task": "describe", "source": "source", "text": row["caption"]})
        if at % 64 == 0:
            emit({"kind": "progress", "stage": "02_captioned", "done": at, "total": len(rows)})
        if texts:
            return {**row, "answers": texts, "failures": faults}
        return {**row, "reason": faults[0] if faults else "no caption and no task"}

    _sweep(target, "02_captioned", options, parents, rows, decide)


def check_captions(
    captioned: Folder,
    target: Folder,
    options: Mapping[str, Any],
    *,
    rules: Mapping[str, Sequence[TextRule]],
) -> None:
    """03_quality_checked: the rules of each task on its texts; a text that fails is set aside."""
    parents = {"02_captioned": captioned.fingerprint()}
    if target.is_complete("03_quality_checked", options, parents):
        return

    def decide(at: int, row: Row) -> Row:
        judged = [
            (text, _text_fault(text["text"], row["language"], rules.get(text["task"], ())))
            for text in row["answers"]
        ]
        good = [text for text, fault in judged if fault is None]
        bad = [f"{text['task']}: {fault}" for text, fault in judged if fault is not None]
        if good:
            return {**row, "answers": good, "set_aside": bad}
        return {**row, "reason": bad[0]}

    _sweep(target, "03_quality_checked", options, parents, list(captioned.rows()), decide)


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
    target: Folder,
    stage: str,
    options: Mapping[str, Any],
    parents: Mapping[str, str],
    rows: Sequence[Row],
    decide: Callable[[int, Row], Row],
) -> None:
    """Shard by shard, what `decide(index, row)` makes of each row; one with a "reason" is dropped."""
    with target.writer(stage, options, parents) as writer:
        for shard, start in enumerate(range(0, len(rows), SHARD)):
            if writer.has(shard):
                continue
            decided = [decide(at, rows[at]) for at in range(start, min(start + SHARD, len(rows)))]
            kept = [row for row in decided if "reason" not in row]
            writer.write(shard, kept, [row for row in decided if "reason" in row])


def _decide(
    rows: Sequence[Row],
    values: Mapping[str, Mapping[str, Any]],
    rules: Sequence[PictureRule],
    hamming: int,
) -> tuple[list[str | None], dict[int, str]]:
    """Why each row must go (None: it stays), and the duplicate cluster of each row that was compared."""
    reasons = [_picture_fault(row, values, rules) for row in rows]
    standing = [at for at, reason in enumerate(reasons) if reason is None and rows[at]["pictures"]]
    first = [rows[at]["pictures"][0] for at in standing]
    twin, cluster = duplicates.find(first, [values[id_]["phash"] for id_ in first], hamming)
    for at, of in zip(standing, twin, strict=True):
        if of >= 0:
            exact = rows[at]["pictures"][0] == rows[standing[of]]["pictures"][0]
            reasons[at] = (
                "same file as another" if exact else f"near-duplicate (Hamming <= {hamming})"
            )
    return reasons, {
        at: rows[standing[label]]["id"] for at, label in zip(standing, cluster, strict=True)
    }


def _ask(
    teacher: Teacher,
    row: Row,
    files: Mapping[str, bytes],
    tasks: Sequence[str],
    answers: int,
    spend: Callable[[Mapping[str, Any]], None],
) -> tuple[list[dict[str, str]], list[str]]:
    texts, faults = [], []
    meta = json.loads(row["meta"])
    data = tuple(files[id_] for id_ in row["pictures"])
    for task in tasks:
        for number in range(answers):
            prompt = draw_instruction(task, row["language"], lambda n: 0)
            request = Request(task, prompt, row["language"], data, number, meta)
            try:
                response = teacher.ask(request)
            except TeacherError as error:
                faults.append(f"{task}: {error}")
                continue
            if response.dollars:
                spend(
                    {
                        "row": row["id"],
                        "task": task,
                        "model": response.model,
                        "usd": response.dollars,
                    }
                )
            texts.append({"task": task, "source": teacher.name, "text": response.text})
    unique = {(text["task"], text["text"]): text for text in texts}
    return list(unique.values()), faults


def _picture_fault(
    row: Row, values: Mapping[str, Mapping[str, Any]], rules: Sequence[PictureRule]
) -> str | None:
    for id_ in row["pictures"]:
        if "error" in values[id_]:
            return "unreadable"
        for rule in rules:
            if reason := rule(values[id_]):
                return reason
    return None


def _text_fault(text: str, language: str, rules: Sequence[TextRule]) -> str | None:
    if not text.strip():
        return "empty"
    return next((reason for rule in rules if (reason := rule(text, language))), None)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
