"""What a design is: how a picture enters a language model, and where a model keeps its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

from jaxtyping import Float, Int
from torch import Tensor, nn

from haiga.errors import PlaceholderError

Features: TypeAlias = Float[Tensor, "P T D"]


class Rows(Protocol):
    """Token rows with their pictures; what is read of a `GroupBatch`, or of prompts."""

    @property
    def ids(self) -> tuple[str, ...]: ...
    @property
    def input_ids(self) -> Int[Tensor, "B L"]: ...
    @property
    def picture_ids(self) -> tuple[tuple[str, ...], ...]: ...


@dataclass(frozen=True, eq=False)
class Chosen:
    """Some rows of a batch."""

    ids: tuple[str, ...]
    input_ids: Int[Tensor, "B L"]
    picture_ids: tuple[tuple[str, ...], ...]


class Parts(NamedTuple):
    """What a model is put together from, read and checked."""

    eyes: Any
    """The vision tower, without a text half."""
    language: Any
    """A causal language model."""
    tokenizer: Any
    image_processor: Any
    image_token: str | None
    seed: int
    """Of the weights that are new."""


@dataclass(frozen=True, slots=True)
class Design:
    """One way for a picture to enter a language model."""

    joint: str
    """What lies between tower and language model, in words."""
    bridge: str
    """A pattern of its parameters' names."""
    targets: str
    """A pattern of the language model's linear layers, on which adapters hang."""
    task_type: str | None
    """What PEFT calls a model of this kind; None where it knows no such kind."""
    placeholders: bool
    """Whether a picture takes places in the sequence. Where it takes none, the language model
    passes by what it has no picture for, and rows without pictures go through it by themselves."""
    mine: Callable[[Any], bool]
    """Whether a model is of this design."""
    tower: Callable[[Any], Any]
    body: Callable[[Any], Any]
    """The language model without its head."""
    see: Callable[[Any, Float[Tensor, "P C H W"]], Features]
    """What the language model will be given of pictures, before any weight that is new."""
    sees: Callable[[Any], Mapping[str, Any]]
    """All of a model's config that decides what `see` gives."""
    enter: Callable[[Any, Rows, Features | None], dict[str, Tensor]]
    """The inputs of the body for rows and the features of their pictures; of rows that go through
    it together."""
    plain: Callable[[Any, Rows, Features | None, Tensor | None], Float[Tensor, "1 L V"]]
    """Logits of one row by the model's own forward, given features or pixels."""
    half: Callable[[Any], Any]
    """The config of a tower's vision half, from that of a tower alone or of a dual encoder."""
    unread: str
    """A pattern of a tower's weights that the design does not read, and a checkpoint may lack."""
    positions: Callable[[Any], int]
    """Positions that a picture takes in a sequence, from the config of a vision half."""
    config: Callable[[Any, Any, int], Any]
    """The config of a model from those of a vision half and of a language model, and the id of the
    picture's place (0 where it has none)."""
    kind: type[nn.Module]
    """The class of such a model; called with a config, it makes one without weights of a source."""
    template: Callable[[Any, str | None], str]
    """A tokenizer's chat template, extended to pictures."""
    join: Callable[[Parts], tuple[Any, Any]]
    """A model and its processor from their parts."""
    opened: Callable[[Any, Path | str], Any]
    """The processor of a checkpoint that was read, whose model is made ready."""
    asked: Callable[[Any, str, Any], dict[str, Tensor]]
    """(processor, text, picture) -> what the model's own forward takes."""
    hub_names: Sequence[tuple[str, str]] = ()
    """From the names of weights in memory to those on the Hub."""


def check_features(rows: Rows, features: Features | None) -> None:
    """That there is one set of features for each picture of the rows.

    Raises:
        PlaceholderError: there are more, or fewer.
    """
    total = sum(len(names) for names in rows.picture_ids)
    given = 0 if features is None else features.shape[0]
    if given != total:
        raise PlaceholderError(
            f"The batch has {total} pictures and the features of {given}. "
            "Give one set of features for each picture, in the order of the rows."
        )
