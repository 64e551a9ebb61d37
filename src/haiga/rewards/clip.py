"""The reward for words that a dual encoder finds in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from haiga.rewards.base import Sample, Scored
from haiga.rewards.pictures import look, unseen

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
    from haiga.models.towers import picture_embeds, text_embeds  # transformers: others need it not

    towers, seen = opened(model)
    faults = look(samples, seen, partial(picture_embeds, towers))
    texts = text_embeds(towers, [sample.text for sample in samples])
    scored = []
    for sample, text in zip(samples, texts, strict=True):
        ids = [picture.id for picture in sample.group.pictures]
        why = unseen(sample, faults) if ids else "It is on no picture."
        if why:
            scored.append(Scored(None, why))
        else:
            scored.append(Scored(sum(float(seen[id] @ text) for id in ids) / len(ids)))
    return scored


@lru_cache(maxsize=2)
def opened(model: str) -> tuple[Towers, dict[str, Tensor]]:
    """The towers, and the embeddings of the pictures that they have seen, by id."""
    from haiga.models.towers import load_towers

    return load_towers(model), {}
