"""The reward for writing in a style, as a fitted critic hears it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from haiga.rewards.base import Sample, Scored

if TYPE_CHECKING:
    from haiga.rewards.critic import Critic


def style(samples: Sequence[Sample], *, critic: str, style: str = "") -> list[Scored]:
    """The probability, by the critic in the file `critic`, that a text is in its style.

    That is `style`, or else what the sample was asked for: `meta["style"]` of its group, or its
    task. A sample whose style the critic does not know has no score.

    Raises:
        ModelError: the file is no critic's.
    """
    from haiga.rewards.critic import probabilities  # scikit-learn, which other rewards do not need

    heard = opened(Path(critic).resolve())
    shares = probabilities(heard, [sample.text for sample in samples])
    scored = []
    for sample, row in zip(samples, shares, strict=True):
        asked = style or str(sample.group.meta.get("style") or sample.group.task)
        if asked and asked in heard.styles:
            scored.append(Scored(float(row[heard.styles.index(asked)])))
        else:
            known = ", ".join(name for name in heard.styles if name)
            scored.append(Scored(None, f"The critic knows no style {asked!r}; it knows: {known}."))
    return scored


@lru_cache(maxsize=8)
def opened(path: Path) -> Critic:
    """The critic, read once."""
    from haiga.rewards.critic import load

    return load(path)
