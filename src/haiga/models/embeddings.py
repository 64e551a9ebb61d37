"""What goes into the language model, whatever the design, and its parts by what they do."""

from __future__ import annotations

from typing import Any, Protocol

from jaxtyping import Float, Int
from torch import Tensor

from haiga.models.designs import design_of, seeing
from haiga.models.designs.base import Chosen, Rows, check_features


class Branches(Rows, Protocol):
    """What is read of `haiga.batches.groups.GroupBatch`; see there for the shapes."""

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


def base_of(model: Any) -> Any:
    """The model itself, without a PEFT wrapper."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def body_of(base: Any) -> Any:
    """The language model without its head."""
    design = design_of(base)
    return base.get_decoder() if design is None else design.body(base)


def tower_features(model: Any, pixel_values: Float[Tensor, "P C H W"]) -> Float[Tensor, "P T D"]:
    """What the tower says of pictures, before any weight that is new."""
    base = base_of(model)
    return seeing(base).see(base, pixel_values)


def enter(base: Any, rows: Rows, features: Float[Tensor, "P T D"] | None) -> dict[str, Tensor]:
    """The inputs of the body for rows that go through it together (see `together`).

    Raises:
        PlaceholderError: a row's pictures and its features or places do not match.
    """
    design = design_of(base)
    if design is not None:
        return design.enter(base, rows, features)
    check_features(rows, features)
    return {"inputs_embeds": base.get_input_embeddings()(rows.input_ids)}


def together(base: Any, rows: Rows) -> list[list[int]]:
    """The rows that can go through the model in one pass: all, or those with pictures apart."""
    design = design_of(base)
    every = list(range(len(rows.ids)))
    if design is None or design.placeholders:
        return [every]
    parts = [[at for at in every if bool(rows.picture_ids[at]) is kind] for kind in (True, False)]
    return [part for part in parts if part]


def choose(
    rows: Rows, features: Float[Tensor, "P T D"] | None, chosen: list[int]
) -> tuple[Chosen, Float[Tensor, "P T D"] | None]:
    """Some rows of a batch, with the features of their pictures.

    Raises:
        PlaceholderError: the batch has other features than pictures.
    """
    check_features(rows, features)
    picked = Chosen(
        tuple(rows.ids[at] for at in chosen),
        rows.input_ids[chosen],
        tuple(rows.picture_ids[at] for at in chosen),
    )
    return picked, None if features is None else features[pictures_of(rows, chosen)]


def pictures_of(rows: Rows, chosen: list[int]) -> list[int]:
    """The places of the chosen rows' pictures among all pictures of the batch."""
    firsts = [0]
    for names in rows.picture_ids:
        firsts.append(firsts[-1] + len(names))
    return [k for at in chosen for k in range(firsts[at], firsts[at + 1])]
