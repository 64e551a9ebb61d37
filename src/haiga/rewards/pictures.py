"""Pictures for a reward that looks: each is opened and encoded once, however many texts it has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from haiga.errors import HaigaError
from haiga.rewards.base import Sample

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    Encode: TypeAlias = Callable[[list[Image.Image]], Iterable[Tensor]]

OPENED: Final = 16
"""Pictures that are decoded at once: one of a telephone's has 36 MB."""


def look(samples: Sequence[Sample], seen: dict[str, Tensor], encode: Encode) -> dict[str, str]:
    """Encode the samples' pictures that are not in `seen` yet, and put them there by their ids.

    Returns the id of each picture that cannot be opened, and why.
    """
    from haiga.models.pictures import open_picture

    holders = {
        picture.id: sample.pictures for sample in samples for picture in sample.group.pictures
    }
    new, faults = sorted(holders.keys() - seen.keys()), {}
    for start in range(0, len(new), OPENED):
        views = {}
        for id in new[start : start + OPENED]:
            try:
                views[id] = open_picture(holders[id][id], name=f"Picture {id}")
            except HaigaError as error:
                faults[id] = str(error)
            except KeyError:
                faults[id] = f"Picture {id} is not at hand."
        seen |= zip(views, encode(list(views.values())), strict=True)
    return faults


def unseen(sample: Sample, faults: dict[str, str]) -> str:
    """Why some of a sample's pictures were not seen; "" where all were."""
    return " ".join(faults[each.id] for each in sample.group.pictures if each.id in faults)
