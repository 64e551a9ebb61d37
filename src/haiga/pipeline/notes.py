"""What a person should know of a recipe that is in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from haiga.errors import HaigaError, RecipeError
from haiga.models import known
from haiga.models.designs import DESIGNS
from haiga.models.variants import CUT, cutting
from haiga.pipeline import judge_terms, judging, teaching
from haiga.pipeline import plan as paper
from haiga.pipeline.lacking import lacking
from haiga.pipeline.run import FRESH, checkpoint
from haiga.planning.parameters import StageCount
from haiga.recipe.schema import Recipe, Stage
from haiga.recipe.values import Component
from haiga.sources import SOURCES
from haiga.sources.hub import hub, is_here
from haiga.teachers.tasks import instructions
from haiga.teachers.voices import form
from haiga.training import machine


def notes(recipe: Recipe) -> Iterator[str]:
    """A line each, from the teacher to the models."""
    yield from _of_source(recipe.source or {})
    yield from teaching.notes(recipe.teach, recipe.language) if recipe.teach else ()
    yield from _of_forms(recipe)
    yield from judging.notes(recipe)
    yield from judge_terms.notes(recipe)
    yield from lacking(recipe)
    for name, stage in recipe.stage.items():
        yield from machine.lacking(name, stage)
        yield from _of_rates(name, stage)
    if cut := [name for name in recipe.evaluate.variants if name in CUT and not cutting()]:
        yield (
            f"evaluate.variants: {' and '.join(cut)} are made by bitsandbytes, which is not "
            "installed (pip install 'haiga[gpu]')"
        )
    if recipe.source is None:
        yield "No [source]: data must lie in the run's data/04_final before training."
        yield from _without_words(recipe)
    yield from _of_readers(recipe)
    for path, name in _encoders(recipe):
        if not isinstance(checkpoint(name), Path):
            yield f"{path}: {name} will be read from the hub, or from its cache."
    section = recipe.model
    unknown = paper.unknown(section)
    if section.tower != FRESH and not unknown:
        yield from _of_sight(recipe)
    if section.tower.startswith("world:"):
        return
    if not unknown:
        counted = paper.plan(recipe, ())
        yield f"{counted.picture_tokens} positions a picture, {counted.total:,} parameters."
    for name in (section.tower, section.language_model):
        if name != FRESH and not isinstance(checkpoint(name), Path):
            yield f"{name} will be read from the hub, or from its cache."
    for name in unknown:
        yield f"The config of {name} is not shipped with haiga: the run will tell if all fits."


def _encoders(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """The dual encoders that curation asks, each after its path."""
    curate = recipe.curate
    if curate.similarity is not None:
        yield "curate.similarity.tower", curate.similarity.tower
        for language, name in curate.similarity.towers.items():
            yield f"curate.similarity.towers.{language}", name
    if curate.semantic is not None:
        yield "curate.semantic.tower", curate.semantic.tower


def _of_rates(name: str, stage: Stage) -> Iterator[str]:
    rates = sorted({rate for _, rate in stage.trainable if isinstance(rate, float)})
    if low := [rate for rate in rates if rate <= stage.min_lr]:
        named = ", ".join(f"{rate:g}" for rate in low)
        yield (
            f"stage.{name}.trainable: the rate {named} is not above min_lr = {stage.min_lr:g}, so "
            "that it does not fall after the warm-up; lower min_lr"
        )


def _of_source(source: Component) -> Iterator[str]:
    """What a source reads and is not here: no fault, since whoever trains on another machine has
    the data already."""
    read = SOURCES[source["name"]] if source else None
    named = isinstance(read, partial) and read.func is hub
    for option in ("data", "path", "pictures", "subset"):
        where = source.get(option)
        may_be_named = named and option == "data"
        if isinstance(where, str) and where and not is_here(where, or_named=may_be_named):
            yield (
                f"source.{option}: there is nothing at {where} yet; it is read when pictures are "
                "gathered. docs/sources.md says what it should be."
            )


def _of_forms(recipe: Recipe) -> Iterator[str]:
    """Voices whose texts stand however they are, with the rules that would hold them."""
    tasks = recipe.teach.calls() if recipe.teach is not None else ()
    for task in (task for task in tasks if task not in recipe.curate.texts):
        rules = [
            "{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in rule.items()) + " }"
            for rule in form(task, recipe.language)
        ]
        if rules:
            yield (
                f"curate.texts.{task}: there are no rules, so that its texts stand however they "
                f"are; the form of the voice is {task} = [{', '.join(rules)}]"
            )


def _without_words(recipe: Recipe) -> Iterator[str]:
    for name, stage in recipe.stage.items():
        try:
            instructions(stage.tasks[0], recipe.language)
        except RecipeError as error:
            if stage.part == "vlm":
                yield f"stage.{name}: `haiga write` will have no words to ask with. {error}"


def _of_readers(recipe: Recipe) -> Iterator[str]:
    """Rewards by a dual encoder that reads less than an answer may be long."""
    for name, stage in recipe.stage.items():
        if stage.rollout is None:
            continue
        room = stage.rollout.max_new_tokens
        for at, reward in enumerate(stage.rollout.rewards):
            reads = _positions(reward["model"]) if reward["name"] == "clip" else None
            if reads is not None and reads < room:
                yield (
                    f"stage.{name}.rollout.rewards.{at}: {reward['model']} reads {reads} tokens of "
                    f"an answer, and one may have {room}; what comes after is neither rewarded nor "
                    "punished."
                )


def _positions(model: str) -> int | None:
    """The tokens that a dual encoder reads, None where its config is not at hand."""
    try:
        text = known.config(checkpoint(model)).text_config
    except (AttributeError, HaigaError):
        return None
    return int(text.max_position_embeddings)


def _of_sight(recipe: Recipe) -> Iterator[str]:
    """Stages that train on pictures that cannot reach them, or touch what sees without a word."""
    counts = {each.name: each for each in paper.plan(recipe).stages}
    bridge = DESIGNS[recipe.model.design].bridge
    seeing: set[str] = set()
    for name, count in counts.items():
        stage = recipe.stage[name]
        if stage.starts_from in seeing or count.projector:
            seeing.add(name)
        elif stage.pictures:
            yield (
                f"stage.{name}: neither it nor a stage before it trains the projector, which "
                "starts at random, so that pictures reach the language model as noise. Give a rule "
                f"for {bridge} a learning rate, or say pictures = false."
            )
        yield from _of_towers_adapter(name, count)


def _of_towers_adapter(name: str, count: StageCount) -> Iterator[str]:
    if count.tower_adapter:
        yield (
            f"stage.{name}.adapter: {count.tower_adapter:,} of its parameters hang on the vision "
            "tower. If they should not, begin its targets with .*language_model.*"
        )
