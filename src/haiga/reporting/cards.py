"""A model card and a data card in the form of the Hugging Face hub, from the report's figures.

The front matter is made by huggingface_hub's classes, `model-index` and all, the text by us. No
figure is written by hand: a card that is made after another evaluation says what that found.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from huggingface_hub import DatasetCardData, EvalResult, ModelCardData

from haiga.errors import RecipeError
from haiga.reporting import words
from haiga.reporting.facts import RunFacts
from haiga.reporting.verdict import plain, verdict
from haiga.teachers.tasks import instructions

ASKED: Final = "image-text-to-text"
LIMITS: Final = (
    "The checks count words, lines and syllables. They cannot measure beauty, freshness, whether a "
    "metaphor is apt, cultural fitness, or what people would prefer. What holds for the held-out "
    "pictures of this set need not hold for others."
)
USE: Final = """\
```python
from transformers import pipeline

content = [{"type": "image", "image": "PICTURE.jpg"}, {"type": "text", "text": ASKED}]
ask = pipeline("image-text-to-text", model="EXPORTED")
said = ask(text=[{"role": "user", "content": content}], return_full_text=False)
print(said[0]["generated_text"])
```
"""
LICENCE: Final = (
    "The licence is that of the base models, and of the pictures and texts that it learned from: "
    "say which before you publish it."
)
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


def model_card(run: RunFacts, stage: str) -> str:
    """The card of one stage's model, as Markdown with front matter."""
    return "\n".join([_front(_model_data(run, stage)), *_model_text(run, stage), ""])


def data_card(run: RunFacts, data: DataFacts) -> str:
    """The card of a run's final data, as Markdown with front matter."""
    size = next((name for most, name in SIZES if data.pictures < most), "n>1M")
    front = DatasetCardData(
        language=sorted(data.languages),
        license="other",
        task_categories=["image-to-text"],
        size_categories=[size],
        tags=["haiga"],
        pretty_name=run.name,
    )
    return "\n".join([_front(front), *_data_text(run, data), ""])


def attribution(rows: Sequence[Mapping[str, str]]) -> str:
    """Who made each picture, and its licence, as CSV; every row has the columns of all."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return sheet.getvalue()


def _front(data: ModelCardData | DatasetCardData) -> str:
    return f"---\n{data.to_yaml().strip()}\n---\n"


def _model_data(run: RunFacts, stage: str) -> ModelCardData:
    cells = run.summary.get(stage, {}).get("full", {})
    results = [
        EvalResult(
            task_type=ASKED,
            dataset_type=run.name,
            dataset_name=f"held-out pictures of {run.name}",
            dataset_revision=run.made.get("data fingerprint"),
            metric_type=check,
            metric_name=f"{check.replace('_', ' ')}, {words.bounds(cell)}",
            metric_value=round(cell["mean"], 4),
        )
        for check, cell in cells.items()
    ]
    models = [run.made.get("language model", ""), run.made.get("vision tower", "")]
    return ModelCardData(
        language=run.recipe.get("language"),
        license="other",
        library_name="transformers",
        pipeline_tag=ASKED,
        tags=["haiga", run.made.get("design", "llava")],
        base_model=[name for name in models if _on_the_hub(name)] or None,
        model_name=run.name,
        eval_results=results or None,
    )


def _on_the_hub(name: str) -> bool:
    """Whether a model's name is one of the hub's: owner/name, and no path."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and ":" not in name


def _model_text(run: RunFacts, stage: str) -> Iterator[str]:
    yield f"# {run.name}\n"
    yield f"{plain(verdict(run))}\n"
    yield "## How it was made\n"
    yield (
        f"{_said(run, 'vision tower')} and {_said(run, 'language model')}, joined by the design "
        f"{_said(run, 'design')}; pictures are fitted by '{_said(run, 'pictures fitted by')}'.\n"
    )
    yield from _table(("stage", "objective", "parameters trained", "steps"), _stages(run))
    yield "## What was measured\n"
    yield (
        "Held-out pictures, 95 % intervals, failures in every denominator; below the first row "
        "something was taken away.\n"
    )
    yield from _results(run, stage)
    yield from _costs(run)
    yield from _use(run, stage)
    yield f"## Limits\n\n{LIMITS}\n\n{LICENCE}"


def _use(run: RunFacts, stage: str) -> Iterator[str]:
    yield "## Use\n"
    yield f"    haiga export runs/{run.name}/stages/{stage} EXPORTED"
    yield "    haiga write EXPORTED PICTURE.jpg\n"
    yield (
        "The exported folder is a standard checkpoint: `AutoModelForImageTextToText` and "
        "`AutoProcessor` of transformers read it.\n"
    )
    asked = _asked(run, stage) if run.made.get("design") == "llava" else None
    if asked is not None:
        yield USE.replace("ASKED", json.dumps("\n" + asked, ensure_ascii=False))


def _asked(run: RunFacts, stage: str) -> str | None:
    """What the stage learned to be asked; None where only its source's rows have such words."""
    try:
        task = run.recipe["stage"][stage]["tasks"][0]
        return instructions(task, run.recipe["language"])[0]
    except (KeyError, RecipeError):
        return None


def _stages(run: RunFacts) -> Iterator[tuple[str, ...]]:
    for name, section in run.recipe.get("stage", {}).items():
        started = [event for event in run.events.get(name, ()) if event["kind"] == "started"]
        if started:
            steps = [event["step"] for event in run.events[name] if event["kind"] == "step"]
            trained = f"{started[-1]['trainable']:,} of {started[-1]['total']:,}"
            yield name, str(section["objective"]["name"]), trained, f"{max(steps, default=0):,}"


def _results(run: RunFacts, stage: str) -> Iterator[str]:
    cells = run.summary.get(stage, {})
    checks = list(cells.get("full", {}))
    heads = ("", *(check.replace("_", " ") for check in checks))
    rows = (
        (
            name.replace("_", " "),
            *(words.bounds(found[check]) if check in found else "" for check in checks),
        )
        for name, found in cells.items()
    )
    yield from _table(heads, rows)


def _costs(run: RunFacts) -> Iterator[str]:
    yield "## What it cost\n"
    spent = words.spent(run.ledger)
    yield (
        f"{words.duration(sum(run.seconds.values()))} on {_said(run, 'device')}, and "
        f"{sum(row['dollars'] for row in spent):.2f} US dollars, with "
        f"{sum(row['calls'] for row in spent):,} calls."
    )
    if run.cost:
        alone = sum(each["median"] for each in run.cost["phases"].values())
        yield (
            f"An answer of {run.cost['new_tokens']} tokens takes {alone * 1000:.0f} ms on "
            f"{run.cost['machine']}, and a picture {run.cost['tokens_per_picture']} positions."
        )
    yield ""


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
    yield from _table(("split", "pictures", *(f"groups: {task}" for task in tasks)), rows)
    yield "## What was left out, and why\n"
    yield from _table(
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
    yield from _table(("licence", "pictures"), ((k, f"{v:,}") for k, v in licences.items()))
    yield "`attribution.csv` beside this card says of every picture what its source says of it."


def _reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in reasons.items()) or "none"


def _said(run: RunFacts, label: str) -> str:
    return str(run.made.get(label, "not said"))


def _table(heads: Sequence[str], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """A table of Markdown; what is in a cell can be nothing but text."""
    yield _line(heads)
    yield "|" + "---|" * len(heads)
    yield from map(_line, rows)
    yield ""


def _line(cells: Sequence[str]) -> str:
    plain = (" ".join(cell.replace("|", "\\|").replace("<", "&lt;").split()) for cell in cells)
    return f"| {' | '.join(plain)} |"
