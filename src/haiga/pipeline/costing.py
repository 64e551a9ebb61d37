"""What an answer of the finished model costs on this machine.

    evaluation/cost.json    seconds by phase, answers a second by batch, bytes a picture

Seconds are never the same twice, so they stand apart from `summary.json`, which is.
"""

from __future__ import annotations

from typing import Any

import torch

from haiga import store
from haiga.evaluation.conditions import images, item_from
from haiga.models.adapters import load_stage
from haiga.models.device import device
from haiga.models.timing import cost
from haiga.pipeline import learning
from haiga.pipeline.run import Run
from haiga.records import Group
from haiga.store.files import read_json, write_json

FILE = "cost.json"


def seeing(run: Run) -> list[str]:
    """The stages that answer pictures, in order."""
    return [
        name
        for name in learning.answering(run.recipe)
        if run.recipe.stage[name].part == "vlm" and run.recipe.stage[name].pictures
    ]


def evaluate(run: Run, questions: list[Group]) -> None:
    """Time the last stage that sees, unless these weights were timed on this kind of machine."""
    stages, count = seeing(run), run.recipe.evaluate.timed
    asked = [item_from(group) for group in questions if group.pictures][: count + 1]
    if not stages or not count or not asked:
        return
    weights = store.require_manifest(run.stage(stages[-1])).fingerprint
    new = run.recipe.evaluate.max_new_tokens
    key = store.fingerprint([weights, machine(), new, [item.id for item in asked]])
    before = read(run)
    if before is not None and before["key"] == key:
        return
    vlm = load_stage(run.stage(stages[-1]) / "model")
    vlm.model.to(device()).eval()
    pictures = store.FinalPictures(run.data("04_final").path)
    shown = [images(item, pictures) for item in asked]
    found = cost(vlm, [item.prompt for item in asked], shown, new_tokens=new)
    kind = str(vlm.model.dtype).removeprefix("torch.")
    said = {"key": key, "stage": stages[-1], "machine": machine(), "dtype": kind, **found}
    write_json(run.folder / "evaluation" / FILE, said)


def read(run: Run) -> dict[str, Any] | None:
    """What was found; None where nothing was timed."""
    path = run.folder / "evaluation" / FILE
    return read_json(path) if path.exists() else None


def machine() -> str:
    """The name of the device that models run on."""
    if device().type == "cuda":
        return torch.cuda.get_device_name()
    return f"{device().type}, {torch.get_num_threads()} threads"
