"""What a call costs: a dated table as data, and a recipe's own prices before it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_TABLE: Final = Path(__file__).parent / "prices.toml"
_DATED: Final = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2}|latest)$")


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens."""

    input: float
    output: float
    cached: float | None = None
    """Of input that the provider had read before; as other input where it is not known."""


def price_of(model: str, own: Mapping[str, tuple[float, float]]) -> Price | None:
    """The price of a model, or None where it is not known.

    A snapshot ("claude-haiku-5-5-20261015") costs what its model costs. `own` comes first.
    """
    for name in (model, _DATED.sub("", model)):
        if name in own:
            return Price(*own[name])
    found = _table()["models"].get(_DATED.sub("", model))
    return Price(**found) if found else None


def in_batch(price: Price | None) -> Price | None:
    """The price of what is asked in a batch; of a recipe's own price the same share."""
    if price is None:
        return None
    share = float(_table()["batch"])
    cached = None if price.cached is None else price.cached * share
    return Price(price.input * share, price.output * share, cached)


def as_of() -> str:
    """The day of the table, as YYYY-MM-DD."""
    return str(_table()["as_of"])


def dollars(price: Price | None, tokens_in: int, tokens_out: int, tokens_cached: int = 0) -> float:
    """What tokens cost; those cached are among those in. Nothing where there is no price."""
    if price is None:
        return 0.0
    again = price.input if price.cached is None else price.cached
    fresh = tokens_in - tokens_cached
    return (fresh * price.input + tokens_cached * again + tokens_out * price.output) / 1e6


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))
