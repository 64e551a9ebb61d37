"""01_filtered: which pictures stay, which only repeat others, and which captions are set aside."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from haiga.curation import captions, pictures
from haiga.curation.engines import Engine
from haiga.curation.measurements import Measured, Together, Values, measured
from haiga.curation.sweep import Row, sweep
from haiga.curation.verdicts import Sameness, Verdict, verdicts
from haiga.events import Sink
from haiga.store import Folder


@dataclass(frozen=True)
class Rules:
    """What 01_filtered decides by."""

    pictures: Sequence[pictures.Rule]
    captions: Sequence[captions.Rule]
    """For the source's own captions."""
    same: Sameness
    """When a picture repeats another."""
    looks: Sequence[ModuleType]
    """The modules that measure what the rules for pictures read."""
    others: Mapping[str, Folder] = field(default_factory=dict)
    """Name -> the 00_raw of another set, none of whose pictures may stay."""
    models: Callable[[Sequence[Row], Mapping[str, Values]], Mapping[str, Values]] | None = None
    """(rows, what is measured) -> what models and sources say of every picture besides."""


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
    parents = {each.path.name: each.fingerprint() for each in (raw, *rules.others.values())}
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
        if rules.models is not None:
            values = Together([values, rules.models(rows, values)])
        others = {
            name: _hashes(name, each, engine, writer.keep_time, emit)
            for name, each in rules.others.items()
        }
        found = verdicts(rows, values, rules.pictures, rules.same, others)
        sweep(
            writer,
            len(rows),
            partial(map, lambda at: _decided(rows[at], found[at], values, rules.captions)),
        )
    _warn_of_unreadable(target, emit)


def _warn_of_unreadable(filtered: Folder, emit: Sink) -> None:
    """Say how many rows have left for a picture that cannot be read, and what mostly ails them."""
    left = (row for row in filtered.dropped() if row["reason"].startswith(pictures.UNREADABLE))
    faults = [(error, row["id"]) for row in left if (error := _error(row))]
    if faults:
        usual, count = Counter(error for error, _ in faults).most_common(1)[0]
        text = (
            f"unreadable: {len(faults)}, of which {count} (the first is "
            f"{dict(reversed(faults))[usual]}) for this: {usual}"
        )
        emit({"kind": "warning", "stage": "01_filtered", "text": text})


def _error(row: Row) -> str:
    """The first sentence about a picture of the row that could not be measured."""
    measured = json.loads(row["measurements"]).values()
    return next((str(each["error"]) for each in measured if "error" in each), "")


def _hashes(
    name: str, raw: Folder, engine: Engine, wait: Callable[[], None], emit: Sink
) -> NDArray[np.uint64]:
    """The perceptual hashes of another set's pictures; those that cannot be read are told."""
    ids = list(dict.fromkeys(id_ for row in raw.rows() for id_ in row["pictures"]))
    values = _measured(raw.path, ids, pictures, engine, lambda number: wait())
    seen = [int(each["phash"], 16) for id_ in ids if "phash" in (each := values[id_])]
    if unseen := len(ids) - len(seen):
        text = f"{unseen} of {len(ids)} pictures of {name} cannot be read: copies of these may stay"
        emit({"kind": "warning", "stage": "01_filtered", "text": text})
    return np.array(seen, dtype=np.uint64)


def _decided(
    row: Row,
    verdict: Verdict,
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
