"""What a model's tower sees of items' pictures, each read once over all stages and conditions.

What is seen is kept in a folder of features, a run's own, under the key of the tower's weights and
preprocessing (`batches.features`): there training has left it, and the next condition finds it. A
picture that is shown as grey has a name of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from jaxtyping import Float
from torch import Tensor

from haiga.batches.features import Features, cache_key
from haiga.evaluation.conditions import Item, images, view
from haiga.models.assemble import Vlm
from haiga.models.features import encode_pictures

_GREY: Final = "-grey"
_OPENED: Final[WeakKeyDictionary[Any, Features]] = WeakKeyDictionary()
"""Model -> its cache, whose key takes reading the whole tower. What is asked does not learn."""


def features_of(
    vlm: Vlm, items: Sequence[Item], pictures: Mapping[str, bytes], kept: Path | None = None
) -> Float[Tensor, "P T D"]:
    """What the tower sees of the pictures that these items show, one after another.

    Args:
        pictures: id -> bytes; where `kept` is given, an id is the digest of its bytes.
        kept: the folder of features. Without one nothing is kept; nor is what a tower in fewer
            bits sees, whose weights are no plain numbers.
    """
    if kept is None or not all(each.is_floating_point() for each in vlm.tower.parameters()):
        return encode_pictures(vlm, [each for item in items for each in images(item, pictures)])
    shown = [(picture, item.grey) for item in items for picture in item.pictures]
    names = [picture.id + (_GREY if grey else "") for picture, grey in shown]
    by_name = dict(zip(names, shown, strict=True))

    def make(lacking: list[str]) -> Float[Tensor, "P T D"]:
        return encode_pictures(vlm, [view(*by_name[name], pictures) for name in lacking])

    cache = _cache(vlm, kept)
    cache.fill(names, make)
    return cache.get(names)


def _cache(vlm: Vlm, kept: Path) -> Features:
    opened = _OPENED.get(vlm.model)
    if opened is None or opened.folder.parent != kept:
        opened = _OPENED[vlm.model] = Features.open(kept, cache_key(vlm))
    return opened
