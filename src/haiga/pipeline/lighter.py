"""The finished model in fewer bits, held against itself.

evaluation/variants.json    variant -> bytes, next-token divergence, and checks that stayed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from haiga import store
from haiga.evaluation import variants
from haiga.evaluation.checks import Check, clusters
from haiga.evaluation.conditions import Item
from haiga.evaluation.run import Stage, read_answers
from haiga.models.adapters import load_stage
from haiga.models.device import device
from haiga.models.variants import size
from haiga.pipeline.answering import lighter
from haiga.pipeline.costing import seeing
from haiga.pipeline.run import Run
from haiga.store.files import read_json, write_json

FILE = "variants.json"


def conditions(run: Run) -> tuple[str, ...]:
    """All that a stage may be asked under."""
    best = ("best_of",) if run.recipe.evaluate.best_of is not None else ()
    return (*run.recipe.evaluate.conditions, *run.recipe.evaluate.variants, *best)


def of_the_last(run: Run, stages: Mapping[str, Stage]) -> dict[str, Stage]:
    """The stages, of which the last that sees is alone asked in fewer bits."""
    usual = [name for name in run.recipe.evaluate.conditions if name != "full"]
    last = seeing(run)[-1:]
    return {
        name: stage
        if name in last or stage.conditions
        else replace(stage, conditions=("full", *usual))
        for name, stage in stages.items()
    }


def evaluate(run: Run, items: list[Item], checks: Mapping[str, Check]) -> None:
    """Each variant of the last stage that sees, unless it was compared under the same weights."""
    section, stages = run.recipe.evaluate, seeing(run)
    if not section.variants or not stages:
        return
    folder = run.folder / "evaluation"
    answers = {
        name: [row["answer"] for row in rows]
        for name, rows in read_answers(folder)[stages[-1]].items()
    }
    weights = store.require_manifest(run.stage(stages[-1])).fingerprint
    key = store.fingerprint([weights, section.margin, answers["full"]])
    before = read(run)
    known: dict[str, Any] = dict(before["variants"]) if before.get("key") == key else {}
    if missing := [name for name in section.variants if name not in known]:
        parts = {
            condition: {
                name: check.score(items, answers[condition]) for name, check in checks.items()
            }
            for condition in ("full", *missing)
        }
        groups = clusters(items)
        for name in missing:
            known[name] = _apart(run, stages[-1], name, items, answers["full"]) | {
                "equal": variants.equal(answers["full"], answers[name]),
                "checks": variants.equivalences(parts["full"], parts[name], groups, section.margin),
            }
    said = {"key": key, "stage": stages[-1], "margin": section.margin, "variants": known}
    write_json(folder / FILE, said)


def read(run: Run) -> dict[str, Any]:
    """What was found; empty where nothing was compared."""
    path = run.folder / "evaluation" / FILE
    return read_json(path) if path.exists() else {}


def _apart(
    run: Run, stage: str, name: str, items: list[Item], answers: list[str]
) -> dict[str, Any]:
    whole, variant = load_stage(run.stage(stage) / "model"), lighter(run, stage, name)
    whole.model.to(device()).eval()
    variant.model.eval()
    pictures = store.FinalPictures(run.data("04_final").path)
    found = variants.apart(whole, variant, items, answers, pictures)
    sizes = {"bytes": size(variant.model), "whole_bytes": size(whole.model)}
    return sizes | variants.divergence(found, clusters(items), run.recipe.seed)
