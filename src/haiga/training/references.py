"""Log-probs of known answers by the model that a stage starts from, once, before its first step.

They are kept on disk by the model and the tokens, answer by answer, so that a stage that goes on,
or another one whose pairs share a side with these, computes none of them again. No second model is
ever in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor, nn

from haiga import events
from haiga.batches.features import digests
from haiga.batches.render import Rendered
from haiga.models.embeddings import base_of
from haiga.store import fingerprint
from haiga.training.forward import Forward, columns_named

References = dict[str, float]
"""Answer key -> the answer's log-prob."""


def answer_keys(row: Rendered) -> list[str]:
    """For each answer of a row, a digest of all that its log-prob hangs on besides the model."""
    prompt = fingerprint([list(row.prefix), list(row.picture_ids)])
    return [fingerprint([prompt, list(each.ids), list(each.learn)]) for each in row.answers]


def model_key(model: Any, how: str, eyes: str = "") -> str:
    """Digest of the weights that answer without the adapter, and of how they do it.

    `how` is in what: matrix products in bfloat16 do not say what those in float32 say, nor do four
    bits under another scale, which no weight has in it. `eyes` stands
    for how pictures reach the tower (`features.cache_key`): cropped, it sees what it does not see
    padded.
    """
    weights = {
        name.replace(".base_layer.", "."): weight
        for name, weight in base_of(model).named_parameters()
        if ".lora_" not in name
    }
    return fingerprint([digests(weights), how, eyes])


def known_answers(
    model: nn.Module,
    rows: Sequence[Rendered],
    collate: Callable[[Sequence[Rendered]], Any],
    file: Path,
    *,
    batch: int,
    dtype: torch.dtype,
    progress: Callable[[int, int], None],
) -> References:
    """The log-probs of all answers of `rows`, those on disk read, the others computed and written.

    The model answers as it stands, so call this before the first step: a fresh adapter changes
    nothing. Dropout is off meanwhile, and no graph is kept. A line that a crash cut short is
    computed again.
    """
    known = _read(file)
    wanted = sorted(_unknown(rows, known), key=lambda row: row.longest)  # less padding
    file.parent.mkdir(parents=True, exist_ok=True)
    events.end_line(file)
    forward = Forward(model, columns_named(["answer_logps"]), dtype)
    training = model.training
    model.eval()
    try:
        with torch.no_grad(), file.open("a", encoding="utf-8") as lines:
            for start in range(0, len(wanted), batch):
                part = wanted[start : start + batch]
                keys = [key for row in part for key in answer_keys(row)]
                logps = forward(collate(part))["answer_logps"].tolist()
                new = dict(zip(keys, logps, strict=True))
                known |= new
                lines.write("".join(json.dumps(pair) + "\n" for pair in new.items()))
                lines.flush()
                progress(min(start + batch, len(wanted)), len(wanted))
    finally:
        model.train(training)
    return known


def of_rows(known: References, rows: Sequence[Rendered]) -> Float[Tensor, " A"]:
    """The reference log-probs of a batch's answers, in its order."""
    return torch.tensor([known[key] for row in rows for key in answer_keys(row)])


def _unknown(rows: Sequence[Rendered], known: References) -> Iterator[Rendered]:
    """The rows with those answers that nobody has read yet, each of them once."""
    met = set(known)
    for row in rows:
        new = {}
        for at, key in enumerate(answer_keys(row)):
            if key not in met:
                new[key] = at
        met |= set(new)
        if new:
            yield replace(
                row,
                answers=tuple(row.answers[at] for at in new.values()),
                kinds=tuple(row.kinds[at] for at in new.values()),
            )


@contextmanager
def as_it_started(model: Any, start: Mapping[str, Tensor]) -> Iterator[None]:
    """The model as it stood before the first step: without its adapter, and with what else learns
    (`start`, from `starting_copy`) put back meanwhile."""
    own = dict(model.named_parameters())
    now = {name: own[name].detach().clone() for name in start}
    adapted = isinstance(model, PeftModel)
    learns = {name: weight.requires_grad for name, weight in own.items()}
    with torch.no_grad():
        for name, weight in start.items():
            own[name].copy_(weight)
        try:
            if adapted:
                with model.disable_adapter():
                    yield
            else:
                yield
        finally:
            for name, weight in now.items():
                own[name].copy_(weight)
            # PEFT switches an adapter on by letting all of it learn, what the rules froze too.
            for name, weight in own.items():
                weight.requires_grad_(learns[name])


def starting_copy(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all that learns and is no adapter: an open projector, a whole model."""
    return {
        name: weight.detach().clone()
        for name, weight in model.named_parameters()
        if weight.requires_grad and ".lora_" not in name
    }


def _read(file: Path) -> References:
    known: References = {}
    if not file.exists():
        return known
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            key, logp = json.loads(line)
        except ValueError:
            continue  # the line that a crash cut
        known[key] = logp
    return known
