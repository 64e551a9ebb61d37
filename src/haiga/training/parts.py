"""What a stage trains: the whole VLM, a vision tower with its text tower, or a language model.

Each part turns a stage's section and the data into a `Job`, plain callables for the one loop.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from haiga.batches.features import Features, cache_key
from haiga.batches.groups import GroupBatch, collate
from haiga.batches.render import Rendered, fit_length, render
from haiga.errors import DataError, GuardError
from haiga.events import Sink
from haiga.models import adapters, attention
from haiga.models.assemble import Vlm
from haiga.models.branches import compare
from haiga.models.device import device
from haiga.models.embeddings import base_of, body_of
from haiga.models.features import encode_pictures
from haiga.models.fit import load_image_processor, pixels
from haiga.models.pictures import open_picture
from haiga.models.quantised import in_float32, quantise
from haiga.models.score import add_score_head, drop_score_head
from haiga.models.trainable import parameter_groups, whole_where_trained
from haiga.recipe.schema import Stage
from haiga.records import Group
from haiga.store import fingerprint
from haiga.training import pairs
from haiga.training.augment import Crops, vary
from haiga.training.decode import writer
from haiga.training.preferences import limited
from haiga.training.settings import DTYPES

SAMPLES = 4
CHECKED = 16
"""Answers of the first batch that are put through the model one by one as well."""
TOLERANCE = 1e-3
"""How far the shared and the plain forward, both in float32, may be apart in log-probability."""
ROUGH = 0.5
"""The same where weights are kept in bfloat16, and both compute in that."""


@dataclass(frozen=True)
class Material:
    """What a stage is made from."""

    stage: Stage
    start: Path
    """The model folder that it starts from."""
    train: Sequence[Group]
    validation: Sequence[Group]
    pictures: Mapping[str, bytes]
    features: Path
    """Where picture features are kept, for all stages of the run."""
    references: Path
    """Where the log-probs of known answers are kept, for all stages of the run."""
    seed: int
    emit: Sink
    needs: frozenset[str] = frozenset()
    """The columns that the stage's objective is computed from."""


@dataclass(frozen=True)
class Job:
    """What the loop needs, whatever is trained."""

    model: nn.Module
    train: Sequence[Any]
    validation: Sequence[Any]
    collate: Callable[[Sequence[Any], int], Any]
    """(rows, step) -> a micro-batch; the step -1 is a validation's."""
    save: Callable[[Path], None]
    sample: Callable[[nn.Module, int], Sequence[Mapping[str, Any]]] | None = None
    first: Callable[[nn.Module, Any], None] | None = None
    dropped: Mapping[str, str] = field(default_factory=dict)
    """Row id -> why it does not take part."""
    vlm: Vlm | None = None
    """The opened model with its processor, where the stage trains one."""


def vlm(material: Material) -> Job:
    """The assembled model: projector, adapters, tower, whatever the rules of the stage free."""
    stage = material.stage
    opened = adapters.load_stage(material.start)
    if stage.adapter is not None:
        if stage.adapter.quantised is not None:
            quantise(opened.model, stage.adapter.quantised)
        lora = stage.adapter.model_dump(exclude={"quantised"})
        opened = adapters.attach(opened, **lora, seed=material.seed)
    if material.needs & {"answer_rewards", "token_values"}:
        add_score_head(opened.model)
    train, dropped = rendered(material.train, opened.processor, opened.picture_tokens, stage)
    held, left = rendered(material.validation, opened.processor, opened.picture_tokens, stage)
    parameter_groups(opened.model, stage.trainable)
    whole_where_trained(opened.model)
    opened.model.to(device())  # before the loop does it: features are made here
    scores = "answer_rewards" in material.needs
    see = with_pictures(opened, material, [*train, *held])
    shown, dtype = held[:SAMPLES], DTYPES[stage.dtype]
    write = writer(opened, shown, lambda rows: see(rows, -1), material.validation, dtype)
    return Job(
        model=opened.model,
        train=train,
        validation=held,
        collate=see,
        save=functools.partial(_save, opened, scores),
        sample=None if scores else write,
        first=_compare(material.emit),
        dropped={**dropped, **left},
        vlm=opened,
    )


def _save(opened: Vlm, scores: bool, folder: Path) -> None:
    """A policy leaves its critic behind; a reward model is nothing without its head."""
    if not scores:
        drop_score_head(opened.model)
    adapters.save(opened, folder)


def language(material: Material) -> Job:
    """A causal language model alone, on groups without pictures."""
    tokenizer = AutoTokenizer.from_pretrained(material.start)
    model: Any = AutoModelForCausalLM.from_pretrained(material.start, dtype=torch.float32)
    attention.use(model)
    model.to(device())
    texts = [group for group in material.train if not group.pictures]
    held = [group for group in material.validation if not group.pictures]
    train, dropped = rendered(texts, tokenizer, 0, material.stage)
    validation, left = rendered(held, tokenizer, 0, material.stage)

    def save(folder: Path) -> None:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    return Job(
        model=model,
        train=train,
        validation=validation,
        collate=lambda rows, step: collate(rows, tokenizer.pad_token_id),
        save=save,
        first=_compare(material.emit),
        dropped={**dropped, **left},
    )


def tower(material: Material) -> Job:
    """A dual encoder: every answer of a group is one caption of its picture."""
    tokenizer = AutoTokenizer.from_pretrained(material.start)
    processor = load_image_processor(material.start)
    model = AutoModel.from_pretrained(material.start, dtype=torch.float32)
    length = model.config.text_config.max_position_embeddings
    train, cut = pairs.of_groups(material.train, tokenizer, length)
    held, _ = pairs.of_groups(material.validation, tokenizer, length)
    if cut:
        text = f"{cut} of {len(train)} captions are cut to the {length} tokens that the tower reads"
        material.emit({"kind": "note", "text": f"{text}."})
    see = _pixels(processor, material, [pair.picture for pair in (*train, *held)])
    most = max((1 + len(pair.siblings) for pair in (*train, *held)), default=1)

    def collate_pairs(rows: Sequence[pairs.Pair], step: int) -> pairs.PairBatch:
        pixel_values = see([pair.picture for pair in rows], step)
        side = tokenizer.padding_side
        pad = tokenizer.pad_token_id
        return pairs.collate(rows, pixel_values, pad, length, side=side, most=most)

    def save(folder: Path) -> None:
        for each in (model, tokenizer, processor):
            each.save_pretrained(folder)

    return Job(model=model, train=train, validation=held, collate=collate_pairs, save=save)


PARTS: dict[str, Callable[[Material], Job]] = {"vlm": vlm, "language": language, "tower": tower}


def rendered(
    groups: Sequence[Group], tokenizer: Any, picture_tokens: int, stage: Stage
) -> tuple[list[Rendered], dict[str, str]]:
    """The groups as token ids, and {row id: why it does not take part} of those that are left.

    Raises:
        DataError: not one can be rendered, so that the fault is hardly in each of them.
    """
    made, faults = [], {}
    for group in groups:
        try:
            made.append(render(tokenizer, limited(group, stage.answers), picture_tokens))
        except DataError as error:
            faults[group.id] = str(error)
    if faults and not made:
        raise DataError(next(iter(faults.values())))
    kept, long = fit_length(made, stage.max_tokens, stage.overflow)
    return kept, {**faults, **long}


def with_pictures(
    opened: Vlm, material: Material, rows: Sequence[Rendered]
) -> Callable[[Sequence[Rendered], int], GroupBatch]:
    """Collation with the pictures: cached features, or pixels for a tower that learns."""
    learns = any(parameter.requires_grad for parameter in opened.tower.parameters())
    ids = [id_ for row in rows for id_ in row.picture_ids]
    pad = opened.tokenizer.pad_token_id
    processor = opened.processor.image_processor
    if learns or material.stage.augment is not None:
        see = _pixels(processor, material, ids)

        def with_pixels(chosen: Sequence[Rendered], step: int) -> GroupBatch:
            batch = collate(chosen, pad)
            names = [id_ for row in batch.picture_ids for id_ in row]
            return replace(batch, pixel_values=see(names, step)) if names else batch

        return with_pixels
    cache = Features.open(material.features, cache_key(opened))
    made = cache.ensure(
        ids,
        material.pictures,
        lambda views: encode_pictures(opened, views),
    )
    known = len(set(ids)) - made
    material.emit({"kind": "note", "text": f"Picture features: {made} made, {known} known."})

    def with_features(chosen: Sequence[Rendered], step: int) -> GroupBatch:
        batch = collate(chosen, pad)
        names = [id_ for row in batch.picture_ids for id_ in row]
        return replace(batch, features=cache.get(names)) if names else batch

    return with_features


def _pixels(
    processor: Any, material: Material, ids: Sequence[str]
) -> Callable[[Sequence[str], int], Tensor]:
    """(picture ids, step) -> pixel values; kept on disk unless each step sees another view."""
    augment = material.stage.augment
    if augment is None:
        key = fingerprint(processor.to_dict()) + "-pixels"
        cache = Features.open(material.features, key)
        cache.ensure(
            ids, material.pictures, lambda views: pixels(processor, views).flatten(1, 2).half()
        )
        return lambda names, step: cache.get(names).float().unflatten(1, (3, -1))
    flip = 0.5 if augment.flip else 0.0
    crops = Crops(area=(1.0 - augment.crop, 1.0), flip=flip, distortion=augment.distort)
    material.emit({"kind": "note", "text": f"No picture cache in this stage: {crops.describe()}."})

    def see(names: Sequence[str], step: int) -> Tensor:
        opened = [open_picture(material.pictures[id_]) for id_ in names]
        if step >= 0:
            opened = [
                vary(picture, crops, seed=material.seed, step=step, name=id_)
                for picture, id_ in zip(opened, names, strict=True)
            ]
        return pixels(processor, opened)

    return see


def _rough(model: nn.Module) -> bool:
    weights = body_of(base_of(model)).parameters()
    return any(weight.dtype == torch.bfloat16 for weight in weights)


def _compare(emit: Sink) -> Callable[[nn.Module, GroupBatch], None]:
    """The first batch, by the shared prefix and by plain passes; the difference goes to the log."""

    def first(model: nn.Module, batch: GroupBatch) -> None:
        with in_float32(model):
            gap = compare(
                model, batch, batch.features, pixel_values=batch.pixel_values, answers=CHECKED
            )
        allowed = ROUGH if _rough(model) else TOLERANCE
        emit({"kind": "shared_prefix", "max_difference": gap, "tolerance": allowed})
        if not gap <= allowed:
            raise GuardError(
                f"The shared forward and the plain one differ by {gap:.3g} in log-probability on "
                f"the first batch, more than {allowed:.3g}: this model does not take the branch "
                "mask. Train it with one answer a group (answers = 1)."
            )

    return first
