"""The designs: how a picture enters a language model."""

from __future__ import annotations

from typing import Any, Final

from haiga.errors import ModelError
from haiga.models.designs.base import Design
from haiga.models.designs.cross_attention import CROSS_ATTENTION
from haiga.models.designs.llava import LLAVA

DESIGNS: Final[dict[str, Design]] = {"llava": LLAVA, "cross_attention": CROSS_ATTENTION}


def design_of(base: Any) -> Design | None:
    """The design of a model without a PEFT wrapper; None for a language model alone."""
    return next((design for design in DESIGNS.values() if design.mine(base)), None)


def seeing(base: Any) -> Design:
    """The design of a model that sees.

    Raises:
        ModelError: it does not.
    """
    design = design_of(base)
    if design is None:
        raise ModelError(f"{type(base).__name__} has no vision tower, so it cannot see pictures.")
    return design
