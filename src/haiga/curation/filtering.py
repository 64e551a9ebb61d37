"""01_filtered: which pictures stay, which only repeat others, and which captions are set aside."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from haiga.curation import captions, duplicates, pictures
from haiga.curation.engines import Engine
from haiga.curation.measurements import Measured, Together, Values, measured
from haiga.curation.sweep import Row, sweep
from haiga.events import Sink
from haiga.store import Folder


@dataclass(frozen=True)
class Rules:
    """What 01_filtered decides by."""

    pictures: Sequence[pictures.Rule]
    captions: Sequence[captions.Rule]
    """For the source's own captions."""
    hamming: int
    """Pictures whose hashes differ in at most so many bits are duplicates."""
    looks: Sequence[ModuleType]
    """The modules that measure what the rules for pictures read."""


def filter_rows(
    raw: Folder,
    target: Folder,
    options: Mapping[str, Any],
    *,
    rules: Rules,
    engine: Engine,
    emit: Sink,
) -> None:
    """01_filtered: picture rules, then duplicates, then rules for the source's own captions.

    A picture that fails takes its row with it. A caption that fails is set aside and its picture
    stays: a teacher may still write about it.
    """
    parents = {"00_raw": raw.fingerprint()}
    if target.is_complete("01_filtered", options, parents):
        return
    rows = raw.rows()

    ids = list(dict.fromkeys(id_ for row in rows for id_ in row["pictures"]))
    total, done = len(ids) * len(rules.looks), 0

    def progress(number: int) -> None:
        nonlocal done
        done += number
        writer.keep_time()
        emit({"kind": "progress", "stage": "01_filtered", "done": done, "total": total})

    with target.writer("01_filtered", options, parents) as writer:
        values = Together(
            [_measured(raw.path, ids, look, engine, progress) for look in rules.looks]
        )
        verdicts = _verdicts(rows, values, rules)
        sweep(
            writer,
            len(rows),
            partial(map, lambda at: _decided(rows[at], verdicts[at], values, rules.captions)),
        )


def _decided(
    row: Row,
    verdict: Mapping[str, str],
    values: Mapping[str, Values],
    rules: Sequence[captions.Rule],
) -> Row:
    """The row with its verdict, and beside it what was measured."""
    taken = {id_: values[id_] for id_ in row["pictures"]}
    row = {**row, **verdict, "measurements": json.dumps(taken, ensure_ascii=False)}
    if "reason" in verdict:
        return row
    fault = captions.fault(row["caption"], row["language"], rules, json.loads(row["meta"]))
    quality = float(fault is None) if row["caption"] else None
    return {**row, "caption_fault": fault or "", "quality": quality}


def _measured(
    raw: Path, ids: Sequence[str], look: ModuleType, engine: Engine, progress: Callable[[int], None]
) -> Measured:
    """What one look says of the pictures, kept beside the stages."""
    folder, measure = raw.parent / "measurements", f"{look.__name__}:measure"
    return measured(folder, look.MEASURE, ids, raw, measure, engine=engine, progress=progress)


def _verdicts(
    rows: Sequence[Row],
    values: Mapping[str, Values],
    rules: Rules,
) -> list[dict[str, str]]:
    """For each row why it must go ("reason"), or the "cluster" that it belongs to."""
    verdicts = []
    # Of the rows that stand; a row itself is read with its shard, and these go criss-cross.
    standing: list[tuple[int, str, list[str], bool]] = []
    hashes = []
    for at, row in enumerate(rows):
        verdicts.append({"cluster": row["id"]})
        measured = [values[id_] for id_ in row["pictures"]]
        if reason := pictures.fault(measured, rules.pictures):
            verdicts[at] = {"reason": reason}
        elif measured:
            standing.append((at, row["id"], row["pictures"], bool(row.get("conversation"))))
            hashes.append([each["phash"] for each in measured])
    twins, clusters = duplicates.find(hashes, rules.hamming)
    for (at, _, shown, asks), twin, cluster in zip(standing, twins, clusters, strict=True):
        verdicts[at] = {"cluster": standing[cluster][1]}
        if twin >= 0 and not asks:
            _, id_, others, _ = standing[twin]
            reason = (
                "same file as another"
                if shown == others
                else f"near-duplicate (Hamming <= {rules.hamming})"
            )
            verdicts[at] = {"reason": reason, "duplicate_of": id_}
    return verdicts
