"""What every answer adds to every check, row by row: what the tables are sums of.

    evaluation/scores/<stage>/<condition>.jsonl    {"id", check: [numerator, denominator], …}

In the order of the answers, one line each; null where a check does not apply. A cell of
`summary.json` is the sum of the first numbers over the sum of the second.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from haiga.evaluation.checks import Part, Parts
from haiga.evaluation.conditions import Item
from haiga.store import write_atomically

Scores: TypeAlias = dict[str, dict[str, Part | None]]
"""Item id -> check -> what its answer adds."""


def path(folder: Path, stage: str, condition: str) -> Path:
    """Where the scores of a cell stand under `evaluation/`."""
    return folder / "scores" / stage / f"{condition}.jsonl"


def write(
    table: Mapping[str, Mapping[str, Mapping[str, Parts]]], items: Sequence[Item], folder: Path
) -> None:
    """Write every cell of a table; items without any part of it stay, with nulls."""
    for stage, by_condition in table.items():
        for condition, by_check in by_condition.items():
            columns = zip(*by_check.values(), strict=True) if by_check else ((),) * len(items)
            lines = [
                json.dumps({"id": item.id} | dict(zip(by_check, map(_pair, row), strict=True)))
                for item, row in zip(items, columns, strict=True)
            ]
            write_atomically(path(folder, stage, condition), "".join(
                f"{line}\n" for line in lines
            ).encode())  # fmt: skip


def read(folder: Path, stage: str, condition: str) -> Scores:
    """The scores of a cell; empty where there are none."""
    file = path(folder, stage, condition)
    rows = map(json.loads, file.read_text("utf-8").splitlines() if file.exists() else ())
    return {
        row.pop("id"): {name: pair and Part(*pair) for name, pair in row.items()} for row in rows
    }


def _pair(part: Part | None) -> list[float] | None:
    return None if part is None else [float(part.numerator), float(part.denominator)]
