"""A rollout as it is written down: prompts, samples, and what was noted beside every token.

One line of JSON for each prompt, after a line of what belongs to the whole. Numbers go through text
without loss, so that a step learns the same from a rollout in memory and from one read again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from haiga.batches.groups import GroupBatch
from haiga.batches.render import Branch, Rendered
from haiga.errors import TrainingError
from haiga.objectives.advantages import Baseline
from haiga.rewards.combine import Rewarded
from haiga.store.files import replacing


@dataclass(frozen=True)
class Written:
    """One prompt and what was sampled for it."""

    row: Rendered
    columns: Mapping[str, list[list[float]]]
    """Column of a `GroupBatch` -> for each answer a number for each token."""


def sampled(row: Rendered, answers: Sequence[Sequence[int]]) -> Rendered:
    """The prompt of `row` with sampled answers, all of whose tokens are learned from."""
    branches = tuple(Branch(tuple(ids), (True,) * len(ids)) for ids in answers)
    return replace(row, answers=branches, kinds=("sample",) * len(branches))


def by_row(rows: Sequence[Rendered], columns: Mapping[str, Sequence[float]]) -> list[Written]:
    """Flat columns of N tokens cut into rows and answers."""
    written, start = [], 0
    for row in rows:
        own: dict[str, list[list[float]]] = {name: [] for name in columns}
        for branch in row.answers:
            for name, column in columns.items():
                own[name].append(list(column[start : start + len(branch.ids)]))
            start += len(branch.ids)
        written.append(Written(row, own))
    return written


def batch_of(
    written: Sequence[Written], collate: Callable[[Sequence[Rendered]], GroupBatch]
) -> GroupBatch:
    """A micro-batch of these rows, with their columns on it."""
    columns = {
        name: torch.tensor([v for each in written for own in each.columns[name] for v in own])
        for name in written[0].columns
    }
    return replace(collate([each.row for each in written]), **columns)  # type: ignore[arg-type]


def write(
    file: Path,
    written: Sequence[Written],
    texts: Sequence[Sequence[str]],
    rewarded: Rewarded,
    baseline: Baseline,
) -> None:
    """Write a rollout down, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [{"baseline": list(baseline)}, *_lines(written, texts, rewarded)]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    with replacing(file) as to:
        to.write(text.encode())


def read(file: Path, rows: Mapping[str, Rendered]) -> list[Written]:
    """A rollout as `write` left it; `rows` are the prompts by id.

    Raises:
        TrainingError: it is gone.
    """
    return [
        Written(sampled(rows[line["row"]], line["ids"]), line["columns"])
        for line in _read(file)[1:]
    ]


def last_baseline(file: Path) -> Baseline:
    """The moving mean of rewards after this rollout."""
    return Baseline(*_read(file)[0]["baseline"])


def _lines(
    written: Sequence[Written], texts: Sequence[Sequence[str]], rewarded: Rewarded
) -> Iterator[dict[str, Any]]:
    start = 0
    for each, own in zip(written, texts, strict=True):
        mine = slice(start, start + len(own))
        start += len(own)
        totals = rewarded.totals[mine]
        yield {
            "row": each.row.id,
            "texts": list(own),
            "rewards": [total.value for total in totals],
            "why": [total.why for total in totals],
            "parts": {
                name: [scored and scored.value for scored in column[mine]]
                for name, column in rewarded.parts.items()
            },
            "ids": [list(branch.ids) for branch in each.row.answers],
            "columns": each.columns,
        }


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        # Not splitlines: a sampled text may hold U+2028, which JSON does not escape.
        lines = file.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines if line]
    except FileNotFoundError as error:
        raise TrainingError(
            f"The rollout {file} that this stage was learning from is gone. Remove the stage's "
            "folder, and it is trained anew."
        ) from error
