"""How likely a trained model makes answers that it has not learned from."""

from __future__ import annotations

from typing import NamedTuple

import torch

from haiga.batches.features import cache_key
from haiga.models import adapters
from haiga.models.device import device
from haiga.training.parts import Material, rendered, with_pictures
from haiga.training.references import answer_keys, known_answers, model_key


class Said(NamedTuple):
    """Of one group, answer by answer."""

    logps: tuple[float, ...]
    """Summed over the answer's tokens, in nats."""
    tokens: tuple[int, ...]
    """How many were summed."""


def of_held_out(material: Material) -> dict[str, Said]:
    """What the model in `material.start` says of every answer of `material.validation`.

    In the precision of the weights as they are kept, and no product in less: here are no steps to
    be saved, and differences of log-probabilities are what is looked for. They are kept on disk
    beside the references of training, so that they are computed once for each model. A group that
    is too long for the stage is left out.

    Returns:
        group id -> its answers' log-probabilities.
    """
    opened, stage = adapters.load_stage(material.start), material.stage
    opened.model.requires_grad_(False).to(device())
    rows, _ = rendered(material.validation, opened.processor, opened.picture_tokens, stage)
    see = with_pictures(opened, material, rows)
    key = model_key(opened.model, "float32", cache_key(opened))
    known = known_answers(
        opened.model,
        rows,
        lambda part: see(part, -1),
        material.references / f"{key}.jsonl",
        batch=stage.micro_batch or stage.batch,
        dtype=torch.float32,
        progress=lambda done, total: material.emit(
            {"kind": "progress", "stage": "pairs", "done": done, "total": total}
        ),
    )
    return {
        row.id: Said(
            tuple(known[key] for key in answer_keys(row)),
            tuple(sum(answer.learn) for answer in row.answers),
        )
        for row in rows
    }
