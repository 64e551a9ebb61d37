"""How many parameters a run has and trains, counted on the real modules without their weights.

Everything is built on the meta device by the code that a run uses, so that a count cannot differ
from what is trained. Nothing is downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModel

from haiga.models import adapters
from haiga.models.assemble import Vlm
from haiga.models.designs import DESIGNS, Design
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
    projector: int
    """Those that are trained of what lies between tower and language model, an adapter's too."""
    tower_adapter: int
    """Those of the adapter that hang on the tower."""
    tower: int
    """Those that are trained of the tower, an adapter's too."""
    language_model: int
    """Those that are trained of the language model itself, without an adapter's."""
    quantised: int
    """Of the total, those that are kept in four bits."""
    whole: int
    """Of the total, those that are frozen and kept in float32 whatever the model's dtype."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Parameters of an assembled model, part by part, and of its stages."""

    tower: int
    unused_head: int
    """The tower's pooling head, which published totals include and no design reads."""
    joint: str
    """What lies between tower and language model."""
    projector: int
    """Its parameters."""
    language_model: int
    """Tied embeddings count once."""
    picture_tokens: int
    """Positions that one picture takes in a sequence."""
    stages: tuple[StageCount, ...]

    @property
    def total(self) -> int:
        """Without any adapter and without the unused head."""
        return self.tower + self.projector + self.language_model


def plan(
    tower: Any, language_model: Any, stages: Mapping[str, StageShape], design: str = "llava"
) -> Plan:
    """Count the model of two configs (see `models.known`) by a design, and each of its stages.

    Raises:
        ModelError: models that do not fit together, or rules that do not fit the model or its
            quantised weights.
    """
    how = DESIGNS[design]
    eyes = how.half(tower)
    model: Any = _on_paper(how, eyes, language_model)
    sizes = [_size(how.tower(model)), sum(each.numel() for each in _bridge(how, model))]
    return Plan(
        tower=sizes[0],
        unused_head=_head(how, tower),
        joint=how.joint,
        projector=sizes[1],
        language_model=_size(model) - sum(sizes),
        picture_tokens=how.positions(eyes),
        stages=tuple(
            _stage(name, how, _on_paper(how, eyes, language_model), shape)
            for name, shape in stages.items()
        ),
    )


def _stage(name: str, how: Design, model: Any, shape: StageShape) -> StageCount:
    base = model
    if shape.adapter is not None:
        with torch.device("meta"):
            model = adapters.attach(Vlm(model, processor=None), **shape.adapter).model
    if shape.head:
        add_score_head(model)
    parameter_groups(model, shape.trainable)
    if shape.quantised:
        refuse_training(model)
    trainable, total = count(model)
    tower = list(how.tower(base).named_parameters())
    own = {id(each) for _, each in tower} | {id(each) for each in _bridge(how, base)}
    rest = [(name, each) for name, each in base.named_parameters() if id(each) not in own]
    return StageCount(
        name,
        trainable,
        total,
        tuple(rule_counts(model, shape.trainable)),
        projector=sum(each.numel() for each in _bridge(how, base) if each.requires_grad),
        tower_adapter=sum(each.numel() for name, each in tower if ".lora_" in name),
        tower=sum(each.numel() for _, each in tower if each.requires_grad),
        language_model=sum(
            each.numel() for name, each in rest if each.requires_grad and ".lora_" not in name
        ),
        quantised=_cut(how, base) if shape.quantised else 0,
        # A llava's projector is kept in float32, whether it learns or rests.
        whole=sum(each.numel() for each in _bridge(how, base) if not each.requires_grad)
        if how.placeholders
        else 0,
    )


def _cut(how: Design, model: Any) -> int:
    """Weights of the language model's linear layers, which an adapter's are not."""
    named = how.body(model).named_modules()
    layers = (each for name, each in named if isinstance(each, nn.Linear) and "lora_" not in name)
    return sum(layer.weight.numel() for layer in layers)


def _on_paper(how: Design, eyes: Any, language_model: Any) -> nn.Module:
    with torch.device("meta"):
        model: Any = how.kind(how.config(eyes, language_model, 0))
    model.tie_weights()
    return model


def _bridge(how: Design, model: nn.Module) -> Iterator[nn.Parameter]:
    return (each for name, each in model.named_parameters() if re.fullmatch(how.bridge, name))


def _head(how: Design, tower: Any) -> int:
    """Parameters that the tower has by itself and the assembled model leaves out."""
    half = getattr(tower, "vision_config", tower)
    with torch.device("meta"):
        return _size(AutoModel.from_config(half)) - _size(AutoModel.from_config(how.half(tower)))


def _size(module: nn.Module) -> int:
    return count(module)[1]
