"""The input of the language model: token embeddings with the projected pictures in their places."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from haiga.errors import PlaceholderError


class Branches(Protocol):
    """What is read of `haiga.batches.groups.GroupBatch`; see there for the shapes."""

    @property
    def ids(self) -> tuple[str, ...]: ...
    @property
    def input_ids(self) -> Int[Tensor, "B L"]: ...
    @property
    def position_ids(self) -> Int[Tensor, "B L"]: ...
    @property
    def segments(self) -> Int[Tensor, "B L"]: ...
    @property
    def sources(self) -> Int[Tensor, " N"]: ...
    @property
    def targets(self) -> Int[Tensor, " N"]: ...
    @property
    def answer_of(self) -> Int[Tensor, " N"]: ...
    @property
    def group_of(self) -> Int[Tensor, " A"]: ...
    @property
    def ends(self) -> Int[Tensor, " A"]: ...
    @property
    def picture_ids(self) -> tuple[tuple[str, ...], ...]: ...


def base_of(model: Any) -> Any:
    """The model itself, without a PEFT wrapper."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def is_llava(base: Any) -> bool:
    """Whether it has a projector between a tower and a language model."""
    return hasattr(base, "model") and hasattr(base.model, "multi_modal_projector")


def body_of(base: Any) -> Any:
    """The language model without its head."""
    return base.model.language_model if is_llava(base) else base.get_decoder()


def tower_features(model: Any, pixel_values: Float[Tensor, "P C H W"]) -> Float[Tensor, "P T D"]:
    """The tower's features that the projector takes: the layer and positions of the model's config.

    The same choice as `LlavaModel.get_image_features` makes, without the projection.
    """
    base = base_of(model)
    tower, config = base.model.vision_tower, base.config
    pixels = pixel_values.to(tower.device, tower.dtype)
    states = tower(pixels, output_hidden_states=True, return_dict=True).hidden_states
    layers = config.vision_feature_layer
    chosen = [states[layer] for layer in ([layers] if isinstance(layers, int) else layers)]
    if config.vision_feature_select_strategy == "default":
        chosen = [state[:, 1:] for state in chosen]
    return torch.cat(chosen, dim=-1)


def embed(
    base: Any,
    batch: Branches,
    features: Float[Tensor, "P T D"] | None,
    pixel_values: Float[Tensor, "P C H W"] | None,
) -> Float[Tensor, "B L H"]:
    """Token embeddings with the projected pictures in their places."""
    embeds = base.get_input_embeddings()(batch.input_ids)
    if features is None and pixel_values is not None:
        features = tower_features(base, pixel_values)
    image_id: int | None = getattr(base.config, "image_token_id", None)
    _check_places(batch, features, image_id)
    if features is None or image_id is None or not features.shape[0]:
        return embeds
    projector = base.model.multi_modal_projector
    # Cast after the projection: a projector in fp32 stays in fp32.
    projected = projector(features.to(embeds.device, _dtype(projector))).to(embeds.dtype)
    places = batch.input_ids.flatten().eq(image_id).nonzero()[:, 0]
    flat = embeds.reshape(-1, embeds.shape[-1])
    return flat.index_copy(0, places, projected.flatten(0, 1)).view_as(embeds)


def _check_places(
    batch: Branches, features: Float[Tensor, "P T D"] | None, image_id: int | None
) -> None:
    """A row's picture places against its own features, never the totals of the batch."""
    total = sum(len(names) for names in batch.picture_ids)
    given = 0 if features is None else features.shape[0]
    if given != total:
        raise PlaceholderError(
            f"The batch has {total} pictures and the features of {given}. "
            "Give one set of features for each picture, in the order of the rows."
        )
    size = 0 if features is None else features.shape[1]
    places = [0] * len(batch.ids)
    if image_id is not None:
        places = (batch.input_ids == image_id).sum(1).tolist()
    for id, names, found in zip(batch.ids, batch.picture_ids, places, strict=True):
        if found != len(names) * size:
            raise PlaceholderError(
                f"Row {id}: {found} picture places for {len(names)} pictures of {size} features. "
                "Render it again with the number of features that this tower gives."
            )


@contextmanager
def own_dtype(base: Any) -> Iterator[None]:
    """Lets the model's own forward feed a projector of another dtype than its tower."""
    if not is_llava(base):
        yield
        return
    projector = base.model.multi_modal_projector
    dtype = _dtype(projector)
    hook = projector.register_forward_pre_hook(lambda _, given: (given[0].to(dtype),))
    try:
        yield
    finally:
        hook.remove()


def _dtype(projector: torch.nn.Module) -> torch.dtype:
    """Of the copy that learns: PEFT keeps the original beside it."""
    weights = list(projector.parameters())
    return next((weight for weight in weights if weight.requires_grad), weights[0]).dtype
