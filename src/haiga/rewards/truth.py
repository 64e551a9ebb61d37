"""The reward for saying what is in the picture, where its source knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from haiga.errors import DataError
from haiga.rewards.base import Sample, Share, per_sample
from haiga.text.mentions import find
from haiga.world.lexicon import lexicon

Kind: TypeAlias = Literal["things", "seasons", "settings", "hours", "weathers"]
Named: TypeAlias = frozenset[tuple[Kind, str]]

FIELDS: Final[dict[Kind, str]] = {
    "things": "things",
    "seasons": "season",
    "settings": "setting",
    "hours": "hour",
    "weathers": "weather",
}
"""Where a scene keeps its name of a kind, or its names."""


@per_sample
def true_to_picture(
    sample: Sample, *, kinds: tuple[Kind, ...] = ("things",), recall: Share = 0.0
) -> float:
    """(1 - `recall`) x precision + `recall` x recall, over the names of all `kinds` together.

    Precision is the share of what the text names that is in the picture, and 0 where it names
    nothing; recall is the share of what is in the picture that the text names. With precision
    alone, one safe word is enough. A picture whose source does not know what is in it (a group
    without a scene in its meta) has no score.
    """
    scene = sample.group.meta.get("scene")
    if not scene:
        raise DataError(
            "The picture's source does not say what is in it. Reward something else where the "
            "truth is not known."
        )
    true = _true(scene, kinds)
    named = _named(sample, kinds)
    hits = len(named & true)
    precision = hits / len(named) if named else 0.0
    return (1 - recall) * precision + recall * hits / len(true)


def _true(scene: Mapping[str, Any], kinds: tuple[Kind, ...]) -> Named:
    values = {kind: scene[FIELDS[kind]] for kind in kinds}
    return frozenset(
        (kind, name)
        for kind, value in values.items()
        for name in ([value] if isinstance(value, str) else value)
    )


def _named(sample: Sample, kinds: tuple[Kind, ...]) -> Named:
    language = sample.group.language
    return frozenset(
        (kind, name) for kind in kinds for name in find(sample.text, lexicon(language, kind))
    )
