"""A data card in the form of the Hugging Face hub, and who made each picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from huggingface_hub import DatasetCardData

from haiga.reporting import words
from haiga.reporting.facts import RunFacts
from haiga.reporting.markdown import front, table

SIZES: Final = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
)
"""The hub's own names of sizes."""


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What is in a run's final data."""

    splits: Mapping[str, Mapping[str, int]]
    """Split -> "pictures", and groups by task."""
    languages: Mapping[str, int]
    """Language of the texts -> groups."""
    attributions: Sequence[Mapping[str, str]] = field(default_factory=tuple)
    """One row a picture: what its source says of who made it and under which licence."""

    @property
    def pictures(self) -> int:
        return sum(found["pictures"] for found in self.splits.values())


def data_card(run: RunFacts, data: DataFacts) -> str:
    """The card of a run's final data, as Markdown with front matter."""
    size = next((name for most, name in SIZES if data.pictures < most), "n>1M")
    about = DatasetCardData(
        language=sorted(data.languages),
        license="other",
        task_categories=["image-to-text"],
        size_categories=[size],
        tags=["haiga"],
        pretty_name=run.name,
    )
    return "\n".join([front(about), *_data_text(run, data), ""])


def attribution(rows: Sequence[Mapping[str, str]]) -> str:
    """Who made each picture, and its licence, as CSV; every row has the columns of all."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return sheet.getvalue()


def _data_text(run: RunFacts, data: DataFacts) -> Iterator[str]:
    source = run.recipe.get("source") or {}
    yield f"# The data of {run.name}\n"
    yield f"{data.pictures:,} pictures, from the source '{source.get('name', 'given')}'.\n"
    yield "## Splits\n"
    tasks = sorted({task for found in data.splits.values() for task in found} - {"pictures"})
    rows = (
        (split, *(f"{found.get(name, 0):,}" for name in ("pictures", *tasks)))
        for split, found in data.splits.items()
    )
    yield from table(("split", "pictures", *(f"groups: {task}" for task in tasks)), rows)
    yield "## What was left out, and why\n"
    yield from table(
        ("stage", "in", "kept", "dropped"),
        (
            (m.stage, f"{m.counts['in']:,}", f"{m.counts['kept']:,}", _reasons(m.reasons))
            for m in run.manifests
        ),
    )
    yield "## Who wrote the texts\n"
    spent = words.spent([row for row in run.ledger if row.get("stage") in words.WRITING])
    teacher = (run.recipe.get("teach") or {}).get("teacher", {}).get("name", "the source")
    paid = ", ".join(f"{row['model']} ({row['calls']:,} calls)" for row in spent)
    yield f"{paid or teacher}. Texts by a model are not a person's: they may be wrong.\n"
    yield "## Attribution\n"
    licences: dict[str, int] = {}
    for row in data.attributions:
        licence = row.get("licence") or "not said"
        licences[licence] = licences.get(licence, 0) + 1
    yield from table(("licence", "pictures"), ((k, f"{v:,}") for k, v in licences.items()))
    yield "`attribution.csv` beside this card says of every picture what its source says of it."


def _reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in reasons.items()) or "none"
