"""A check is an attempt, and its fault is what the attempt says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from haiga.errors import HaigaError
from haiga.recipe.bind import bind


def bound(
    table: Mapping[str, Callable[..., Any]], component: Mapping[str, Any], path: str
) -> str | None:
    """Why a component cannot be bound, or None."""
    return said(lambda: bind(table, component, path), "")


def said(attempt: Callable[[], object], path: str) -> str | None:
    """Why an attempt fails, after the path of what it is about, or None."""
    try:
        attempt()
    except HaigaError as error:
        return f"{path}: {error}" if path else str(error)
    return None
