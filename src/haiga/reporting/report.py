"""One self-contained HTML page for one run: pictures and figures inside, nothing fetched.

Everything that comes from data (captions, titles, recipes) reaches the page through an escaping
template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from haiga.evaluation import own_picture
from haiga.evaluation.checks import CHECKS
from haiga.evaluation.compare import PRIMARIES
from haiga.evaluation.conditions import CONDITIONS
from haiga.evaluation.rating.hearing import SENTENCES as JUDGED
from haiga.evaluation.rating.statements import CHECK
from haiga.evaluation.rating.statements import SENTENCE as CLAIMS
from haiga.evaluation.style import SENTENCE, STYLE
from haiga.models.timing import PHASES
from haiga.reporting import judged, moved, plots, words
from haiga.reporting.facts import RunFacts
from haiga.reporting.measured import measured
from haiga.reporting.page import style, template, thumbnail, uri
from haiga.reporting.verdict import cell_id, compared_id, verdict
from haiga.store import write_atomically

SAMPLES = 12
"""Samples shown per stage, spread over training."""


def write_report(run: RunFacts, folder: Path) -> Path:
    """Writes `report.html` in `folder` and returns its path."""
    path = folder / "report.html"
    write_atomically(path, render(run).encode())
    return path


def render(run: RunFacts) -> str:
    """The page as HTML."""
    return template("report.html.j2").render(
        run=run,
        style=style(),
        verdict=verdict(run),
        cell_id=cell_id,
        compared_id=compared_id,
        figures=_figures(run),
        measured=measured(run),
        checks=_shown_checks(run),
        judged=judged.section(run.judge),
        conditions=CONDITIONS,
        comparisons=_comparisons(run),
        sheet=contact_sheet(run),
        largest=moved.largest(run),
        samples={stage: _spread(seen) for stage, seen in run.events.items() if _samples(seen)},
        warnings=_warnings(run),
        looking=words.looking(run.events),
        phases=PHASES,
        spent=words.spent(run.ledger),
        recipe=json.dumps(run.recipe, indent=2, ensure_ascii=False, default=str),
    )


def contact_sheet(run: RunFacts) -> list[dict[str, Any]]:
    """The first `run.shown` held-out items that have a picture: nobody chose them.

    Each is `{"id", "picture", "things", "reference", "stages": [{"name", "full", "blind"}]}`,
    where full and blind are lists of pieces, or None where nothing was asked.
    """
    # The summary holds the stages in the order of training, a folder of answers by name.
    stages = sorted(run.answers, key=[*run.summary, *run.answers].index)
    by_id = {
        stage: {
            name: {row["id"]: row for row in rows}
            for name, rows in run.answers[stage].items()
            if name in ("full", "blind")
        }
        for stage in stages
    }
    known: dict[str, Mapping[str, Any]] = {}
    for conditions in by_id.values():
        known |= conditions.get("full", {})
    return [
        {
            "id": each,
            "picture": thumbnail(run.pictures[each]),
            "scene": known[each].get("truth", {}).get("scene"),
            "reference": known[each]["reference"],
            "language": known[each]["language"],
            "stages": [_written(stage, conditions, each) for stage, conditions in by_id.items()],
        }
        for each in [each for each in known if each in run.pictures][: run.shown]
    ]


def _written(
    stage: str, conditions: Mapping[str, Mapping[str, Mapping[str, Any]]], item: str
) -> dict[str, Any]:
    rows = {name: conditions.get(name, {}).get(item) for name in ("full", "blind")}
    return {"name": stage} | {
        name: words.marked(row) if row is not None else None for name, row in rows.items()
    }


def _figures(run: RunFacts) -> dict[str, str | None]:
    made = {
        "funnel": plots.funnel(run.manifests),
        "losses": plots.loss_curves(run.events),
        "looks": plots.looks(run.events),
        "forest": plots.forest(run.summary),
        "differences": moved.differences(run.comparisons),
        "reliability": plots.reliability(_curves(run)),
    }
    return {name: uri("image/svg+xml", svg) if svg else None for name, svg in made.items()}


def _curves(run: RunFacts) -> dict[str, Sequence[Mapping[str, Any]]]:
    """The reliability curves of critics and of reward models."""
    critics = {f"critic: {name}": found["curve"] for name, found in run.critics.items()}
    models = {f"reward model: {name}": found["curve"] for name, found in run.reward_models.items()}
    return critics | models


def _shown_checks(run: RunFacts) -> dict[str, str]:
    """The checks that some cell holds, with their sentences, in the order of their table."""
    held = {
        c for conditions in run.summary.values() for cells in conditions.values() for c in cells
    }
    sentences = {name: check.sentence for name, check in CHECKS.items()} | {STYLE: SENTENCE}
    sentences |= JUDGED | {CHECK: CLAIMS, own_picture.OWN_PICTURE: own_picture.SENTENCE}
    return {name: sentence for name, sentence in sentences.items() if name in held}


def _comparisons(run: RunFacts) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    """Per stage, the comparisons to read first and the rest."""
    sorted_out: dict[str, dict[str, list[Mapping[str, Any]]]] = {
        row["stage"]: {"first": [], "rest": []} for row in run.comparisons
    }
    for row in sorted(run.comparisons, key=lambda row: row["kind"] != "stage"):
        first = row["kind"] == "stage" or row["check"] in PRIMARIES
        sorted_out[row["stage"]]["first" if first else "rest"].append(row)
    return sorted_out


def _samples(seen: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [event for event in seen if event["kind"] == "sample"]


def _spread(seen: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Up to `SAMPLES` samples, the first and the last among them: their step and their texts."""
    samples = _samples(seen)
    last, most = len(samples) - 1, min(SAMPLES, len(samples))
    chosen = {round(i * last / max(1, most - 1)) for i in range(most)}
    return [
        {
            "step": samples[i].get("step", ""),
            "texts": {
                key: value
                for key, value in samples[i].items()
                if isinstance(value, str) and key != "kind"
            },
        }
        for i in sorted(chosen)
    ]


def _warnings(run: RunFacts) -> list[tuple[str, Mapping[str, Any]]]:
    """Each warning of each stage once, where it was first given; and how a stage was stopped."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for stage, seen in run.events.items():
        for event in seen:
            if event["kind"] in ("warning", "stopped", "kept"):
                found.setdefault((stage, event["text"]), event)
    return [(stage, event) for (stage, _), event in found.items()]
