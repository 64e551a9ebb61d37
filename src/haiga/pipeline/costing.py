"""What an answer of the finished model costs on this machine, and one of each of its variants.

    evaluation/cost.json    seconds by phase, answers a second by batch, bytes a picture;
                            "variants": name -> the same of it in fewer bits

Seconds are never the same twice, so they stand apart from `summary.json`, which is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from haiga import store
from haiga.evaluation.conditions import Item, images, item_from
from haiga.models.adapters import load_stage
from haiga.models.assemble import Vlm
from haiga.models.device import device
from haiga.models.timing import cost
from haiga.pipeline import learning
from haiga.pipeline.answering import lighter
from haiga.pipeline.run import Run
from haiga.records import Group
from haiga.store.files import read_json, write_json

FILE = "cost.json"
VERSION = "2"
"""Of what is kept; what was timed in another way is timed anew."""


def seeing(run: Run) -> list[str]:
    """The stages that answer pictures, in order."""
    return [
        name
        for name in learning.answering(run.recipe)
        if run.recipe.stage[name].part == "vlm" and run.recipe.stage[name].pictures
    ]


def evaluate(run: Run, questions: list[Group]) -> None:
    """Time the last stage that sees and its variants, unless that was done on this machine."""
    section, stages = run.recipe.evaluate, seeing(run)
    asked = [item_from(group) for group in questions if group.pictures][: section.timed + 1]
    if not stages or not section.timed or not asked:
        return
    stage = stages[-1]
    weights = store.require_manifest(run.stage(stage)).fingerprint
    new = section.max_new_tokens
    key = store.fingerprint([VERSION, weights, machine(), new, [item.id for item in asked]])
    known = read(run)
    if known is None or known["key"] != key:
        whole = load_stage(run.stage(stage) / "model")
        whole.model.to(device())
        said = {"key": key, "stage": stage, "machine": machine(), **_timed(run, whole, asked)}
        known = {**said, "variants": {}}
        write_json(run.folder / "evaluation" / FILE, known)
        del whole  # one model is in memory
    for name in section.variants:
        if name not in known["variants"]:
            known["variants"][name] = _timed(run, lighter(run, stage, name), asked)
            write_json(run.folder / "evaluation" / FILE, known)


def read(run: Run) -> dict[str, Any] | None:
    """What was found; None where nothing was timed."""
    path = run.folder / "evaluation" / FILE
    return read_json(path) if path.exists() else None


def machine() -> str:
    """The name of the device that models run on."""
    if device().type == "cuda":
        return torch.cuda.get_device_name()
    return f"{device().type}, {torch.get_num_threads()} threads"


def _timed(run: Run, vlm: Vlm, asked: Sequence[Item]) -> dict[str, Any]:
    vlm.model.eval()
    pictures = store.FinalPictures(run.data("04_final").path)
    shown = [images(item, pictures) for item in asked]
    kind = str(vlm.model.dtype).removeprefix("torch.")
    prompts = [item.prompt for item in asked]
    return {
        "dtype": kind,
        **cost(vlm, prompts, shown, new_tokens=run.recipe.evaluate.max_new_tokens),
    }
