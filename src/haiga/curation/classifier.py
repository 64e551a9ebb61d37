"""An image classifier of transformers that keeps what it has said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageClassification

from haiga.batches.features import Features, digests, lasting
from haiga.errors import ModelError, PictureError
from haiga.models.device import device
from haiga.models.fit import load_image_processor, pixels
from haiga.models.weights import whole
from haiga.recipe.names import did_you_mean, listed
from haiga.store import fingerprint

_BATCH: Final = 32


class Classifier:
    """A classifier; shares are kept under `folder` by weights and preprocessing."""

    def __init__(self, name: str, source: str | Path, folder: Path) -> None:
        """Load it; see `embeddings.Encoder` for the arguments.

        Raises:
            ModelError: it cannot be read, or lacks weights.
        """
        self._name = name
        model = whole(AutoModelForImageClassification, source)
        self._model = model.eval().requires_grad_(False).to(device())
        self._processor = load_image_processor(source)
        labels: dict[int, str] = self._model.config.id2label
        self._labels = [labels[at] for at in sorted(labels)]
        made = {
            "weights": digests(self._model.state_dict()),
            "model": lasting(self._model.config.to_dict()),
            "preprocessing": lasting(self._processor.to_dict()),
            "shares": "classifier/1",
        }
        self._shares = Features.open(folder, fingerprint(made))

    def scores(
        self, ids: Sequence[str], files: Mapping[str, bytes], labels: Sequence[str]
    ) -> dict[str, dict[str, float]]:
        """For each picture that can be opened, the share of each label.

        Raises:
            ModelError: it has no such label.
        """
        for label in labels:
            if label not in self._labels:
                near = did_you_mean(label, self._labels)
                raise ModelError(
                    f"{self._name} has no label {label!r}{near}; it has: {listed(self._labels)}."
                )
        places = [self._labels.index(label) for label in labels]
        found = {}
        for start in range(0, len(ids), _BATCH):
            for id in self._seen(ids[start : start + _BATCH], files):
                shares = self._shares.get([id])[0, 0]
                found[id] = {
                    label: float(shares[at]) for label, at in zip(labels, places, strict=True)
                }
        return found

    def _seen(self, ids: Sequence[str], files: Mapping[str, bytes]) -> list[str]:
        try:
            self._shares.ensure(ids, files, self._encode, _BATCH)
        except PictureError:
            for id in ids:  # one bad picture must not cost the others
                try:
                    self._shares.ensure([id], files, self._encode)
                except PictureError:
                    continue
        return [id for id in ids if id in self._shares]

    @torch.no_grad()
    def _encode(self, views: list[Image.Image]) -> Float[Tensor, "N 1 L"]:
        values = pixels(self._processor, views).to(self._model.device, self._model.dtype)
        logits: Any = self._model(pixel_values=values).logits.float()
        several = self._model.config.problem_type == "multi_label_classification"
        shares = logits.sigmoid() if several else logits.softmax(dim=-1)
        return shares[:, None].cpu()
