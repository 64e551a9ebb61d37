"""A model card in the form of the Hugging Face hub, from the report's figures.

The front matter is made by huggingface_hub's classes, `model-index` and all, the text by us. No
figure is written by hand: a card that is made after another evaluation says what that found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from huggingface_hub import EvalResult, ModelCardData

from haiga.errors import RecipeError
from haiga.reporting import words
from haiga.reporting.facts import RunFacts
from haiga.reporting.markdown import front, table
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
_PINNED: Final = re.compile(
    r"(?P<type>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})(?: (?P<config>\S+))?:(?P<split>\S+)"
)
"""How `evaluation.benchmarks.rows` calls a set on the hub."""
Cells: TypeAlias = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Condition -> check -> mean, low, high, n."""


def model_card(run: RunFacts, stage: str) -> str:
    """The card of one stage's model, as Markdown with front matter."""
    return "\n".join([front(_model_data(run, stage)), *_model_text(run, stage), ""])


def _model_data(run: RunFacts, stage: str) -> ModelCardData:
    own = {
        "dataset_type": run.name,
        "dataset_name": f"held-out pictures of {run.name}",
        "dataset_revision": run.made.get("data fingerprint"),
    }
    results = _results_of(own, run.summary.get(stage, {}))
    for key, found in run.benchmarks.items():
        results += _results_of(_dataset(key, found), found["scores"].get(stage, {}))
    models = [run.made.get("language model", ""), run.made.get("vision tower", "")]
    bases = [name for name in models if _on_the_hub(name)]
    return ModelCardData(
        language=run.recipe.get("language"),
        license="other",
        library_name="transformers",
        pipeline_tag=ASKED,
        tags=["haiga", run.made.get("design", "llava")],
        base_model=bases or None,
        # Else the hub takes what has two bases for a merge of them.
        base_model_relation="finetune" if bases else None,
        model_name=run.name,
        eval_results=results or None,
    )


def _results_of(dataset: Mapping[str, Any], by_condition: Cells) -> list[EvalResult]:
    """The checks of a model with its pictures, as the hub's `model-index` has them."""
    return [
        EvalResult(
            task_type=ASKED,
            **dataset,
            metric_type=check,
            metric_name=f"{check.replace('_', ' ')}, {words.bounds(cell)}",
            metric_value=round(cell["mean"], 4),
        )
        for check, cell in by_condition.get("full", {}).items()
    ]


def _dataset(key: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of a benchmark: those of a set on the hub by its name, others by their digest."""
    pinned = _PINNED.fullmatch(found["data"])
    if pinned is None:
        named = {"dataset_type": key, "dataset_revision": found["version"]}
    else:
        named = {f"dataset_{field}": value for field, value in pinned.groupdict().items()}
    return {"dataset_name": f"{key}: {found['data']}", **named}


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
    yield from table(("stage", "objective", "parameters trained", "steps"), _stages(run))
    yield "## What was measured\n"
    yield (
        "Held-out pictures, 95 % intervals, failures in every denominator; below the first row "
        "something was taken away.\n"
    )
    yield from _results(run.summary.get(stage, {}))
    yield from _benchmarks(run, stage)
    yield from _costs(run)
    yield from _use(run, stage)
    yield f"## Limits\n\n{LIMITS}\n\n{LICENCE}"


def _use(run: RunFacts, stage: str) -> Iterator[str]:
    yield "## Use\n"
    yield f"    haiga export runs/{run.name}/stages/{stage} EXPORTED"
    yield "    haiga write EXPORTED PICTURE.jpg"
    yield "    haiga app EXPORTED                  # the same in a browser\n"
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


def _benchmarks(run: RunFacts, stage: str) -> Iterator[str]:
    for key, found in run.benchmarks.items():
        if stage not in found["scores"]:
            continue
        used = "uses" if found["uses_picture"].get(stage) else "is not shown to use"
        yield f"### {key}\n"
        yield (
            f"{found['sentence']} {found['asked']:,} of {found['rows']:,} rows of {found['data']}, "
            f"answered by {found['by']}; an answer that cannot be read is wrong. The model {used} "
            "its pictures here.\n"
        )
        controls = {
            name: cells["blind"]
            for name, cells in found["scores"].items()
            if "full" not in cells and "blind" in cells
        }
        yield from _results({**found["scores"][stage], **controls})


def _results(cells: Cells) -> Iterator[str]:
    checks = list(cells.get("full", {}))
    heads = ("", *(check.replace("_", " ") for check in checks))
    rows = (
        (
            name.replace("_", " "),
            *(words.bounds(found[check]) if check in found else "" for check in checks),
        )
        for name, found in cells.items()
    )
    yield from table(heads, rows)


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
            f"{run.cost['machine']}; of a picture, the language model keeps "
            f"{run.cost['kept_bytes_per_picture'] / 1e3:,.1f} kB."
        )
    yield ""


def _said(run: RunFacts, label: str) -> str:
    return str(run.made.get(label, "not said"))
