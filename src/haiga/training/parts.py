"""What a stage trains: the whole VLM, a vision tower with its text tower, or a language model.

Each part turns a stage's section and the data into a `Job`, plain callables for the one loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from haiga.batches import groups as group_batches
from haiga.batches.render import Rendered, fit_length, render
from haiga.events import Sink
from haiga.models import adapters, fit
from haiga.models.encode import pixels
from haiga.models.pictures import open_picture
from haiga.recipe.schema import Stage
from haiga.records import Group
from haiga.training import pairs

SAMPLES = 4
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.25}
"""How far the shared and the plain forward may be apart on the first batch: rounding only."""


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
    seed: int
    emit: Sink


@dataclass(frozen=True)
class Job:
    """What the loop needs, whatever is trained."""

    model: nn.Module
    train: Sequence[Any]
    validation: Sequence[Any]
    collate: Callable[[Sequence[Any], int], Any]
    """(rows, step) -> a micro-batch; the step -1 is a validation's."""
    save: Callable[[Path], None]
    given: Any = None
    """Handed to the columns: batch -> the keyword arguments of its pictures."""
    sample: Callable[[nn.Module, int], Sequence[Mapping[str, Any]]] | None = None
    first: Callable[[nn.Module, Any], None] | None = None
    dropped: Mapping[str, str] = field(default_factory=dict)
    """Row id -> why it does not take part."""


def vlm(material: Material) -> Job:
    """The assembled model: projector, adapters, tower, whatever the rules of the stage free."""
    stage = material.stage
    opened = adapters.load_stage(material.start)
    if stage.adapter is not None:
        opened = adapters.attach(
            opened,
            r=stage.adapter.r,
            alpha=stage.adapter.alpha,
            dropout=stage.adapter.dropout,
            targets=stage.adapter.targets,
            seed=material.seed,
        )
    rows, dropped = _rendered(material.train, opened.processor, opened.picture_tokens, stage)
    held, _ = _rendered(material.validation, opened.processor, opened.picture_tokens, stage)
    see = _eyes(opened, material, [*rows, *held])
    return Job(
        model=opened.model,
        train=rows,
        validation=held,
        collate=lambda chosen, step: group_batches.collate(chosen, opened.tokenizer.pad_token_id),
        save=lambda folder: adapters.save(opened, folder, base=material.start),
        given=see,
        sample=_writer(opened, material),
        first=_compare(see, stage.dtype, material.emit),
        dropped=dropped,
    )


def language(material: Material) -> Job:
    """A causal language model alone, on groups without pictures."""
    tokenizer = AutoTokenizer.from_pretrained(material.start)
    model = AutoModelForCausalLM.from_pretrained(material.start, dtype=torch.float32)
    texts = [group for group in material.train if not group.pictures]
    held = [group for group in material.validation if not group.pictures]
    rows, dropped = _rendered(texts, tokenizer, 0, material.stage)

    def save(folder: Path) -> None:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    def see(batch: Any) -> dict[str, Any]:
        return {}

    return Job(
        model=model,
        train=rows,
        validation=_rendered(held, tokenizer, 0, material.stage)[0],
        collate=lambda chosen, step: group_batches.collate(chosen, tokenizer.pad_token_id),
        save=save,
        given=see,
        first=_compare(see, material.stage.dtype, material.emit),
        dropped=dropped,
    )


def tower(material: Material) -> Job:
    """A dual encoder: every answer of a group is one caption of its picture."""
    tokenizer = AutoTokenizer.from_pretrained(material.start)
    processor = fit.load_image_processor(material.start)
    model = AutoModel.from_pretrained(material.start, dtype=torch.float32)
    length = model.config.text_config.max_position_embeddings
    crops = _crops(material.stage)

    def collate(chosen: Sequence[pairs.Row], step: int) -> pairs.PairBatch:
        views = [
            _view(open_picture(material.pictures[row.picture]), crops, material.seed, step, row.id)
            for row in chosen
        ]
        return pairs.collate(
            [row.seen(view) for row, view in zip(chosen, pixels(processor, views), strict=True)],
            tokenizer.pad_token_id,
            length,
        )

    def save(folder: Path) -> None:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        processor.save_pretrained(folder)

    return Job(
        model=model,
        train=pairs.rows(material.train, tokenizer, length),
        validation=pairs.rows(material.validation, tokenizer, length),
        collate=collate,
        save=save,
    )


PARTS: dict[str, Callable[[Material], Job]] = {"vlm": vlm, "language": language, "tower": tower}


def _rendered(
    groups: Sequence[Group], tokenizer: Any, picture_tokens: int, stage: Stage
) -> tuple[list[Rendered], dict[str, str]]:
    chosen = (render(tokenizer, _first(group, stage.answers), picture_tokens) for group in groups)
    return fit_length(chosen, stage.max_tokens, stage.overflow)


def _first(group: Group, answers: int | None) -> Group:
    return group if answers is None else replace(group, answers=group.answers[:answers])


def _eyes(
    opened: Vlm, material: Material, rows: Sequence[Rendered]
) -> Callable[[Any], dict[str, Any]]:
    """What the columns see of a batch's pictures: cached features, or pixels through the tower."""
    crops = _crops(material.stage)
    learns = any(
        parameter.requires_grad for parameter in adapters.base_of(opened).vision_tower.parameters()
    )
    ids = [id_ for row in rows for id_ in row.picture_ids]
    if crops is None and not learns:
        cache = Features.open(material.features, cache_key(opened))
        made = cache.ensure(ids, material.pictures, lambda views: encode_pictures(opened, views))
        material.emit({"kind": "features", "made": made, "known": len(set(ids)) - made})
        return lambda batch: _some(
            "features", [id_ for row in batch.picture_ids for id_ in row], cache.get
        )
    why = f"crops and flips ({crops.describe()})" if crops else "the tower learns"
    material.emit({"kind": "note", "text": f"No picture-feature cache in this stage: {why}."})

    def see(batch: Any) -> dict[str, Any]:
        chosen = [id_ for row in batch.picture_ids for id_ in row]
        return _some(
            "pixel_values",
            chosen,
            lambda names: pixels(
                opened.processor.image_processor,
                [
                    _view(open_picture(material.pictures[id_]), crops, material.seed, 0, id_)
                    for id_ in names
                ],
            ),
        )

    return see
