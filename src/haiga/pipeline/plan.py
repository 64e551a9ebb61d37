"""A recipe's models on paper, offline and without weights: parameters, tokens, and what fits."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoModelForCausalLM

from haiga.errors import RecipeError
from haiga.models import known
from haiga.models.designs import DESIGNS
from haiga.models.fit import load_image_processor
from haiga.models.tokenizer import load_tokenizer
from haiga.models.trainable import rule_counts
from haiga.pipeline import learning
from haiga.pipeline.run import FRESH, checkpoint
from haiga.planning.parameters import Plan, StageShape
from haiga.planning.parameters import plan as count
from haiga.recipe.names import did_you_mean, listed
from haiga.recipe.schema import Model, Recipe, Stage
from haiga.world import base as world_base


def plan(recipe: Recipe, stages: Collection[str] | None = None) -> Plan:
    """Count the assembled model, and what each of `stages` (None: all) trains of it.

    Raises:
        RecipeError: the recipe trains its parts from nothing, so that there is nothing to assemble.
        ModelError: models that do not fit together, or an adapter or rules that do not fit them.
    """
    if recipe.model.tower == FRESH:
        raise RecipeError(
            f"{recipe.name} trains a tower and a language model apart; there is no assembled model "
            "to plan. Plan a recipe whose stages are of the part 'vlm'."
        )
    return count(
        known.config(checkpoint(recipe.model.tower)),
        language(recipe.model),
        {
            name: StageShape(
                adapter=stage.adapter.model_dump(exclude={"quantised"}) if stage.adapter else None,
                trainable=stage.trainable,
                quantised=bool(stage.adapter and stage.adapter.quantised),
                head=bool(learning.columns(name, stage) & learning.SCORED),
            )
            for name, stage in recipe.stage.items()
            if stage.part == "vlm" and (stages is None or name in stages)
        },
        recipe.model.design,
    )


def design_fault(model: Model) -> str | None:
    """What is wrong with the design, or with the picture's place in it."""
    design = DESIGNS.get(model.design)
    if design is None:
        near = did_you_mean(model.design, DESIGNS)
        return f"model.design: there is no {model.design!r}{near}; there are: {listed(DESIGNS)}"
    if design.placeholders and model.image_token is None:
        return (
            f"model.image_token: {model.design} puts pictures among the words; name the reserved "
            'token that stands for one, for instance "<|image_pad|>"'
        )
    if model.image_token is not None and not design.placeholders:
        return f"model.image_token: {model.design} has no use for it; leave it out"
    return None


def positions(model: Model) -> int | None:
    """Positions that the language model has, where its config says so."""
    room = getattr(language(model), "max_position_embeddings", None)
    return None if room is None else int(room)


def unknown(model: Model) -> list[str]:
    """The models on the hub whose configs are not shipped: nothing can be said of them offline."""
    names = (model.tower, model.language_model)
    return [
        name
        for name in names
        if name != FRESH and checkpoint(name) == name and name not in known.names()
    ]


def read_local(model: Model) -> None:
    """Read what assembly reads beside the weights, where it is on this machine.

    Raises:
        ModelError: no image processor, no chat template, or no such token for pictures.
    """
    tower = checkpoint(model.tower)
    if isinstance(tower, Path):
        load_image_processor(tower)
    language = None if model.language_model == FRESH else checkpoint(model.language_model)
    if isinstance(language, Path):
        tokenizer = load_tokenizer(language, model.image_token)
        DESIGNS[model.design].template(tokenizer, model.image_token)


def fit_fresh(stage: Stage) -> None:
    """That the rules of a stage fit the fresh part that it trains.

    Raises:
        ModelError: they do not.
    """
    vocabulary = 65_536  # without weights it costs nothing; SigLIP's own end token is 49,407
    with torch.device("meta"):
        part: Any = (
            AutoModel.from_config(world_base.tower_config(vocabulary))
            if stage.part == "tower"
            else AutoModelForCausalLM.from_config(world_base.language_config(vocabulary))
        )
    rule_counts(part, stage.trainable)


def language(model: Model) -> Any:
    """The language model's config, which needs no network."""
    if model.language_model == FRESH:
        return world_base.decoder_config()
    return known.config(checkpoint(model.language_model))
