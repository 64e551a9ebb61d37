"""What every fixed section of a recipe is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Fields and no others, frozen."""

    # Strict: "3" is not a number and true is not 1. Arrays are the exception, see Field(strict=…).
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
