"""How many parameters a run has and trains, counted on the real modules without their weights.

Everything is built on the meta device by the code that a run uses, so that a count cannot differ
from what is trained. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, LlavaForConditionalGeneration

from haiga.models import adapters, families
from haiga.models.assemble import Vlm, llava_config
from haiga.models.quantised import refuse_training
from haiga.models.score import add_score_head
from haiga.models.trainable import Rule, count, parameter_groups, rule_counts


@dataclass(frozen=True, slots=True)
class StageShape:
    """What a stage is built of: the options of `adapters.attach` or None, and its rules."""

    adapter: Mapping[str, Any] | None
    trainable: Sequence[Rule]
    quantised: bool = False
    """Whether the weights under the adapter are in four bits; they count as what they stand for."""
    head: bool = False
    """Whether it has a head of one number: a reward model, a critic."""


@dataclass(frozen=True, slots=True)
class StageCount:
    """Parameters of one stage."""

    name: str
    trainable: int
    total: int
    """All that is in memory, the stage's adapter included; earlier adapters are merged."""
    by_rule: tuple[tuple[str, int], ...]
    """(pattern, parameters that fall to it), frozen ones too."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Parameters of an assembled model, part by part, and of its stages."""

    tower: int
    unused_head: int
    """The tower's pooling head, which published totals include and a LLaVA leaves out."""
    projector: int
    language_model: int
    """Tied embeddings count once."""
    picture_tokens: int
    """Positions that one picture takes in a sequence."""
    stages: tuple[StageCount, ...]

    @property
    def total(self) -> int:
        """Without any adapter and without the unused head."""
        return self.tower + self.projector + self.language_model


def plan(tower: Any, language_model: Any, stages: Mapping[str, StageShape]) -> Plan:
    """Count the LLaVA of two configs (see `models.known`) and each of its stages.

    Raises:
        ModelError: an unknown family, or rules that do not fit the model or its quantised weights.
    """
    eyes = families.vision_config(tower)
    model = _on_paper(eyes, language_model)
    body = model.model
    parts = [body.vision_tower, body.multi_modal_projector]
    sizes = [_size(part) for part in parts]
    return Plan(
        tower=sizes[0],
        unused_head=_head(tower),
        projector=sizes[1],
        language_model=_size(model) - sum(sizes),
        picture_tokens=families.picture_tokens(eyes),
        stages=tuple(_stage(name, eyes, language_model, shape) for name, shape in stages.items()),
    )


def _stage(name: str, eyes: Any, language_model: Any, shape: StageShape) -> StageCount:
    model: Any = _on_paper(eyes, language_model)
    if shape.adapter is not None:
        with torch.device("meta"):
            paper = Vlm(model, processor=None)  # type: ignore[arg-type]
            model = adapters.attach(paper, **shape.adapter).model
    if shape.head:
        add_score_head(model)
    parameter_groups(model, shape.trainable)
    if shape.quantised:
        refuse_training(model)
    trainable, total = count(model)
    return StageCount(name, trainable, total, tuple(rule_counts(model, shape.trainable)))


def _on_paper(eyes: Any, language_model: Any) -> LlavaForConditionalGeneration:
    with torch.device("meta"):
        model = LlavaForConditionalGeneration(llava_config(eyes, language_model, 0))
    model.tie_weights()
    return model


def _head(tower: Any) -> int:
    """Parameters that the tower has by itself and a LLaVA leaves out."""
    half = getattr(tower, "vision_config", tower)
    with torch.device("meta"):
        return _size(AutoModel.from_config(half)) - _size(
            AutoModel.from_config(families.vision_config(tower))
        )


def _size(module: nn.Module) -> int:
    return count(module)[1]
