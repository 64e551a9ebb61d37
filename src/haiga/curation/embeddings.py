"""What a dual encoder sees in pictures and reads in texts, computed once and kept by the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from haiga.batches.features import Features, digests, lasting
from haiga.errors import PictureError
from haiga.models.towers import load_towers, picture_embeds, text_embeds
from haiga.store import digest, fingerprint

_PICTURES: Final = 64
_TEXTS: Final = 256
"""How many go through a tower at once."""


class Encoder:
    """A dual encoder with a memory on disk.

    Vectors are kept under `folder` by the encoder's weights, preprocessing and precision, so that
    another threshold, another rule or a larger set of pictures never asks for the same one again.
    """

    def __init__(self, name: str, source: str | Path, folder: Path) -> None:
        """Load it.

        Args:
            name: what the recipe calls it; nothing that is written holds its path.
            source: a folder, or a name on the hub.
            folder: where vectors are kept; a run's features.

        Raises:
            ModelError: it cannot be read, or has not both towers.
        """
        self._towers = load_towers(source)
        model = self._towers.model
        made = {
            "weights": digests(model.state_dict()),
            "model": lasting(model.config.to_dict()),
            "preprocessing": lasting(self._towers.processor.to_dict()),
            "vectors": "unit/1",
        }
        key = fingerprint(made)
        self.stamp: Final = f"{name}@{key[:12]}"
        """Its name, and a digest of all that its vectors depend on: what stands beside a score."""
        self.facts: Final[Mapping[str, Any]] = {
            "tower": name,
            "key": key,
            "class": type(model).__name__,
            "preprocessing": made["preprocessing"],
            "precision": str(model.dtype).removeprefix("torch."),
            "tokens": self._towers.longest,
        }
        """All of it in words, to be written down once."""
        self._pictures = Features.open(folder, key)
        self._texts = Features.open(folder, f"{key}-texts")

    def see(self, ids: Sequence[str], files: Mapping[str, bytes]) -> dict[str, str]:
        """Look at the pictures that it has not seen; returns id -> why it cannot be opened."""
        encode = partial(picture_embeds, self._towers)
        faults = {}
        for start in range(0, len(ids), _PICTURES):
            batch = ids[start : start + _PICTURES]
            try:
                self._pictures.ensure(batch, files, lambda views: encode(views)[:, None], _PICTURES)
            except PictureError:
                for id in batch:  # one bad picture must not cost the others
                    try:
                        self._pictures.ensure([id], files, lambda views: encode(views)[:, None])
                    except PictureError as error:
                        faults[id] = str(error)
        return faults

    def read(self, texts: Iterable[str]) -> None:
        """Read the texts that it has not read."""
        by_id = {digest(text.encode()): text for text in texts}

        def make(ids: list[str]) -> Any:
            return text_embeds(self._towers, [by_id[id] for id in ids])[:, None]

        self._texts.fill(by_id, make, _TEXTS)

    def pictures(self, ids: Sequence[str]) -> Float[np.ndarray, "N D"]:
        """The vectors of pictures that it has seen, of unit length."""
        return self._pictures.get(ids)[:, 0].numpy()

    def texts(self, texts: Sequence[str]) -> Float[np.ndarray, "N D"]:
        """The vectors of texts that it has read, of unit length."""
        return self._texts.get([digest(text.encode()) for text in texts])[:, 0].numpy()
