"""What a call costs: a dated table as data, and a recipe's own prices before it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
    written: float | None = None
    """Of input that the provider has kept for the next time; as other input where not known."""


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
    return Price(**{name: each * share for name, each in asdict(price).items() if each is not None})


def as_of() -> str:
    """The day of the table, as YYYY-MM-DD."""
    return str(_table()["as_of"])


def dollars(
    price: Price | None,
    tokens_in: int,
    tokens_out: int,
    *,
    cached: int = 0,
    written: int = 0,
) -> float:
    """What tokens cost; those cached and written are among those in. Nothing without a price."""
    if price is None:
        return 0.0
    again = price.input if price.cached is None else price.cached
    kept = price.input if price.written is None else price.written
    fresh = (tokens_in - cached - written) * price.input + cached * again + written * kept
    return (fresh + tokens_out * price.output) / 1e6


def dollars_at_most(price: Price | None, tokens_in: int, tokens_out: int) -> float:
    """What tokens can cost: all input at its dearest."""
    return max(dollars(price, tokens_in, tokens_out, written=n) for n in (0, tokens_in))


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))
