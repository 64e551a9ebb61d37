"""The reward for words that a dual encoder finds in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from haiga.errors import HaigaError
from haiga.rewards.base import Sample, Scored

if TYPE_CHECKING:
    from torch import Tensor

    from haiga.models.towers import Towers


def clip(samples: Sequence[Sample], *, model: str) -> list[Scored]:
    """The cosine of text and picture, from -1 to 1, by the CLIP or SigLIP in `model`.

    Over several pictures, the mean. A cosine means something beside others of the same picture
    only: CLIP's lie within a few tenths, whatever is said. What is beyond the tokens that the model
    reads is neither rewarded nor punished. A sample without a picture, or with one that cannot be
    opened, has no score.

    Raises:
        ModelError: the checkpoint cannot be read, or is no dual encoder.
    """
    from haiga.models.towers import text_embeds  # transformers, which other rewards do not need

    towers, seen = _opened(model)
    faults = _look(towers, seen, samples)
    texts = text_embeds(towers, [sample.text for sample in samples])
    scored = []
    for sample, text in zip(samples, texts, strict=True):
        ids = [picture.id for picture in sample.group.pictures]
        why = (
            "It is on no picture."
            if not ids
            else " ".join(faults[id] for id in ids if id in faults)
        )
        if why:
            scored.append(Scored(None, why))
        else:
            scored.append(Scored(sum(float(seen[id] @ text) for id in ids) / len(ids)))
    return scored


def _look(towers: Towers, seen: dict[str, Tensor], samples: Sequence[Sample]) -> dict[str, str]:
    """Embed the pictures that are new, each once; the id of each that cannot be opened, and why."""
    from haiga.models.pictures import open_picture
    from haiga.models.towers import picture_embeds

    holders = {
        picture.id: sample.pictures for sample in samples for picture in sample.group.pictures
    }
    views, faults = {}, {}
    for id in sorted(holders.keys() - seen.keys()):
        try:
            views[id] = open_picture(holders[id][id], name=f"Picture {id}")
        except HaigaError as error:
            faults[id] = str(error)
        except KeyError:
            faults[id] = f"Picture {id} is not at hand."
    seen |= zip(views, picture_embeds(towers, list(views.values())), strict=True)
    return faults


@lru_cache(maxsize=2)
def _opened(model: str) -> tuple[Towers, dict[str, Tensor]]:
    """The towers, and the embeddings of the pictures that they have seen, by id."""
    from haiga.models.towers import load_towers

    return load_towers(model), {}
