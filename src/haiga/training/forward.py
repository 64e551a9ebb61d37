"""Columns: what an objective names in its signature, computed by one forward pass.

A column is a function, too, and its parameters name what *it* needs: the givens `model` and
`batch`, or other columns. A column that two others need is computed once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeAlias, TypeVar

import torch
import torch.nn.functional as F
from accelerate.utils import send_to_device
from jaxtyping import Float, Int
from torch import Tensor, nn

from haiga.errors import TrainingError
from haiga.models import branches
from haiga.objectives import needs
from haiga.training import answers

Columns: TypeAlias = Callable[[nn.Module, Any], dict[str, Tensor]]
GIVENS = ("model", "batch")
Batch = TypeVar("Batch")


def hidden(model: nn.Module, batch: Any) -> Float[Tensor, "B L H"]:
    """Last hidden states, by the shared-prefix forward: words and scores are read from them."""
    return branches.hidden_states(model, batch, batch.features, pixel_values=batch.pixel_values)


def token_logps(
    model: nn.Module, batch: Any, hidden: Float[Tensor, "B L H"]
) -> Float[Tensor, " N"]:
    """Log-probability of each answer token."""
    return branches.logps_of(model, batch, hidden, temperature=batch.temperature)


def answer_logps(batch: Any, token_logps: Float[Tensor, " N"]) -> Float[Tensor, " A"]:
    """Log-probability of each whole answer: the sum over its tokens."""
    zeros = token_logps.new_zeros(len(batch.group_of))
    return zeros.index_add(0, batch.answer_of, token_logps)


def answer_lengths(batch: Any) -> Int[Tensor, " A"]:
    """How many tokens of each answer bear loss."""
    return torch.bincount(batch.answer_of, minlength=len(batch.group_of))


def image_embeds(model: Any, batch: Any) -> Float[Tensor, "B D"]:
    """Pictures in the space that two towers share, of unit length."""
    pooled = model.get_image_features(pixel_values=batch.pixel_values).pooler_output
    return F.normalize(pooled.float(), dim=-1)


def patch_embeds(model: Any, batch: Any) -> Float[Tensor, "B T D"]:
    """Each patch of each picture, of unit length, before any pooling."""
    patches = model.vision_model(pixel_values=batch.pixel_values).last_hidden_state
    return F.normalize(patches.float(), dim=-1)


def text_embeds(model: Any, batch: Any) -> Float[Tensor, "B D"]:
    """Captions in the same space, of unit length. SigLIP reads no mask: it was trained so."""
    mask = None if hasattr(model, "logit_bias") else batch.attention_mask
    pooled = model.get_text_features(input_ids=batch.input_ids, attention_mask=mask).pooler_output
    return F.normalize(pooled.float(), dim=-1)


def logit_scale(model: Any) -> Float[Tensor, ""]:
    """The logarithm of the temperature's inverse; SigLIP keeps it in a vector of one."""
    return model.logit_scale.float().reshape(())


def logit_bias(model: Any) -> Float[Tensor, ""]:
    """SigLIP's bias; CLIP has none."""
    return model.logit_bias.float().reshape(())


def picture_ids(batch: Any) -> Int[Tensor, " B"]:
    """Equal where rows hold one picture."""
    return batch.picture_ids


def true_captions(batch: Any) -> Int[Tensor, "B K"]:
    """The ids of all captions of each row's picture, padded with -1."""
    return batch.true_captions


def caption_ids(batch: Any) -> Int[Tensor, " B"]:
    """Equal where rows hold one caption."""
    return batch.caption_ids


COLUMNS: dict[str, Callable[..., Tensor]] = {
    "hidden": hidden,
    "token_logps": token_logps,
    "answer_logps": answer_logps,
    "answer_lengths": answer_lengths,
    "pairs": answers.pairs,
    "chosen_logps": answers.chosen_logps,
    "rejected_logps": answers.rejected_logps,
    "ref_chosen_logps": answers.ref_chosen_logps,
    "ref_rejected_logps": answers.ref_rejected_logps,
    "chosen_lengths": answers.chosen_lengths,
    "rejected_lengths": answers.rejected_lengths,
    "chosen_rewards": answers.chosen_rewards,
    "rejected_rewards": answers.rejected_rewards,
    "answer_labels": answers.answer_labels,
    "answer_rewards": answers.answer_rewards,
    "answer_of": answers.answer_of,
    "token_values": answers.token_values,
    "ref_answer_logps": answers.ref_answer_logps,
    "ref_token_logps": answers.ref_token_logps,
    "old_token_logps": answers.old_token_logps,
    "old_token_values": answers.old_token_values,
    "advantages": answers.advantages,
    "returns": answers.returns,
    "image_embeds": image_embeds,
    "patch_embeds": patch_embeds,
    "text_embeds": text_embeds,
    "logit_scale": logit_scale,
    "logit_bias": logit_bias,
    "picture_ids": picture_ids,
    "caption_ids": caption_ids,
    "true_captions": true_captions,
}


def columns_for(objective_function: Callable[..., Any]) -> Columns:
    """The function that computes what `objective_function` needs, by name.

    Raises:
        TrainingError: when a column is named that nobody computes.
    """
    return columns_named(needs(objective_function))


def columns_named(names: list[str]) -> Columns:
    """The function that computes these columns; as `columns_for`."""
    _check(names)

    def columns(model: nn.Module, batch: Any) -> dict[str, Tensor]:
        known = {"model": model, "batch": batch}
        return {name: _compute(name, known) for name in names}

    return columns


def wanted(names: list[str]) -> frozenset[str]:
    """These columns, and all that they are computed from."""
    inner = [each for name in names for each in inspect.signature(COLUMNS[name]).parameters]
    deeper = [name for name in inner if name not in GIVENS]
    return frozenset(names) | (wanted(deeper) if deeper else frozenset())


def _check(names: list[str]) -> None:
    for name in names:
        if name in GIVENS:
            continue
        if name not in COLUMNS:
            raise TrainingError(
                f"No column is called '{name}', which an objective asks for by the name of its "
                f"parameter; training/forward.py computes: {', '.join(COLUMNS)}."
            )
        _check(list(inspect.signature(COLUMNS[name]).parameters))


def _compute(name: str, known: dict[str, Any]) -> Any:
    """The value of `name`, kept in `known` for whoever needs it next."""
    if name not in known:
        wanted = inspect.signature(COLUMNS[name]).parameters
        known[name] = COLUMNS[name](**{each: _compute(each, known) for each in wanted})
    return known[name]


class Forward(nn.Module):
    """The columns of a batch, wherever it lies and in whatever dtype products are made."""

    def __init__(self, model: nn.Module, columns: Columns, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self.columns = columns
        self.dtype = dtype

    @property
    def device(self) -> torch.device:
        """Of the model; batches follow it."""
        return next(self.model.parameters()).device

    def forward(self, batch: Any) -> dict[str, Tensor]:
        """Columns in float32 or wider; matrix products inside run in `dtype`."""
        half = self.dtype is not torch.float32
        with torch.autocast(self.device.type, self.dtype, enabled=half):
            columns = self.columns(self.model, to_device(batch, self.device))
        return {name: _widened(column) for name, column in columns.items()}


def to_device(batch: Batch, device: torch.device) -> Batch:
    """A dataclass with its tensors on `device`."""
    moved = {each.name: send_to_device(getattr(batch, each.name), device) for each in fields(batch)}  # type: ignore[arg-type]
    return replace(batch, **moved)  # type: ignore[type-var]


def _widened(column: Tensor) -> Tensor:
    """Losses are computed in float32: sums of log-probabilities do not fit in bfloat16."""
    return column.float() if column.dtype in (torch.bfloat16, torch.float16) else column
