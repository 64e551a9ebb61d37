"""Which pictures may not be used: by a head on vectors, a classifier, or what their source says.

Nothing is judged unless a recipe asks for it. What is found is a number beside the picture's other
measurements; what leaves for it is listed for review with them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from haiga.curation import review
from haiga.errors import DataError, ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from haiga.curation.classifier import Classifier
    from haiga.curation.embeddings import Encoder

Row: TypeAlias = Mapping[str, Any]
TASK: Final = "safety"
"""What review and decisions of pictures go by, where texts have their task."""


class Looking(NamedTuple):
    """What it takes to look at pictures."""

    encoder: Callable[[str], Encoder]
    classifier: Callable[[str], Classifier]
    """Both by the name that the recipe gives."""
    files: Mapping[str, bytes]


class Found(NamedTuple):
    """What a check found out about one picture."""

    label: str
    score: float
    limit: float
    """From here on it must go."""

    @property
    def unsafe(self) -> bool:
        return self.score >= self.limit


Check: TypeAlias = Callable[[Sequence[Row], Looking], Mapping[str, list[Found]]]


def head(
    rows: Sequence[Row],
    looking: Looking,
    *,
    weights: str,
    tower: str,
    threshold: float = 0.5,
    label: str = "unsafe",
) -> dict[str, list[Found]]:
    """A small network on the vectors of a dual encoder; from `threshold` on a picture must go.

    `weights` is a safetensors file of linear layers, "<place>.weight" and "<place>.bias" in the
    order of their places, with ReLU between them and one output, of which the sigmoid is taken.
    Vectors are of unit length. Never a pickle: that would run what is in it.

    Raises:
        ModelError: the tower or the head cannot be read, or they do not fit.
    """
    import torch
    import torch.nn.functional as F

    layers = _layers(Path(weights))
    encoder = looking.encoder(tower)
    ids = _shown(rows)
    faults = encoder.see(ids, looking.files)
    ids = [id for id in ids if id not in faults]
    values = torch.from_numpy(encoder.pictures(ids).copy()).float()
    if ids and values.shape[1] != layers[0][0].shape[1]:
        raise ModelError(
            f"{weights} takes vectors of {layers[0][0].shape[1]} numbers, and {tower} gives "
            f"{values.shape[1]}. Name the tower that the head was trained on."
        )
    for at, (weight, bias) in enumerate(layers):
        values = F.linear(values if not at else values.relu(), weight, bias)
    scores = values.sigmoid().flatten().tolist()
    return {id: [Found(label, score, threshold)] for id, score in zip(ids, scores, strict=True)}


def _layers(path: Path) -> list[tuple[Tensor, Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read as safetensors: {error}") from error
    places = [name.removesuffix(".weight") for name in tensors if name.endswith(".weight")]
    places.sort(key=lambda name: [int(digits) for digits in re.findall(r"\d+", name)])
    try:
        layers = [(tensors[f"{each}.weight"], tensors[f"{each}.bias"]) for each in places]
    except KeyError as error:
        raise ModelError(f"{path} has no {error}: each layer needs a weight and a bias.") from error
    sizes = [tuple(weight.shape) for weight, _ in layers]
    chained = all(a[0] == b[1] for a, b in pairwise(sizes))
    if not layers or any(len(size) != 2 for size in sizes) or not chained or sizes[-1][0] != 1:
        raise ModelError(
            f"{path} is no head: it must hold linear layers that follow each other and end in one "
            f"number; it has {', '.join(map(str, sizes)) or 'none'}."
        )
    return [(weight.float(), bias.float()) for weight, bias in layers]


def classifier(
    rows: Sequence[Row], looking: Looking, *, model: str, limits: dict[str, float]
) -> dict[str, list[Found]]:
    """An image classifier of transformers; from its label's limit on a picture must go.

    Raises:
        ModelError: it cannot be read, or has no such label.
    """
    known = looking.classifier(model)
    ids = _shown(rows)
    found = known.scores(ids, looking.files, list(limits))
    return {
        id: [Found(label, shares[label], limit) for label, limit in limits.items()]
        for id, shares in found.items()
    }


def metadata(
    rows: Sequence[Row], looking: Looking, *, key: str, limit: float = 1.0
) -> dict[str, list[Found]]:
    """What the source says: a number from `limit` on, a list with so many things in it, or a word.

    `key` names it, with dots into what lies deeper: "face_bboxes", "scores.punsafe". A list counts
    as its length (faces), true and any word as 1 ("NSFW"), and false, empty and none as 0.
    """
    found: dict[str, list[Found]] = {}
    for row in rows:
        score = _number(_inside(json.loads(row["meta"]), key))
        for id in row["pictures"] if score is not None else ():
            worst = max(score or 0.0, found[id][0].score if id in found else 0.0)
            found[id] = [Found(key, worst, limit)]
    return found


def _inside(value: Any, key: str) -> Any:
    for step in key.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return float(len(value)) if isinstance(value, (list, dict)) else float(bool(value))
    return float(value)


def _shown(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(id for row in rows for id in row["pictures"]))


SAFETY: Final[dict[str, Callable[..., Mapping[str, list[Found]]]]] = {
    "head": head,
    "classifier": classifier,
    "metadata": metadata,
}
"""Name -> (rows, looking, *, options): what it finds out, picture by picture."""


def judged(
    rows: Sequence[Row],
    readable: Callable[[str], bool],
    checks: Sequence[Check],
    looking: Looking,
    decisions: Mapping[str, review.Decision],
) -> tuple[dict[str, dict[str, Any]], list[review.Entry]]:
    """The measurements of each picture, and what must go listed for a person.

    What is measured stands under its label; "unsafe" is why the picture must go, and "cleared" why
    a person let it stay.

    Raises:
        ModelError: a model cannot be read.
        DataError: what is measured of pictures already has such a name.
    """
    seen = [{**row, "pictures": [id for id in row["pictures"] if readable(id)]} for row in rows]
    values: dict[str, dict[str, Any]] = {id: {} for id in _shown(rows)}
    entries = []
    for found in (check(seen, looking) for check in checks):
        for id, each in found.items():
            for one in each:
                values[id][_name(one.label)] = round(one.score, 4)
                if not one.unsafe:
                    continue
                key = review.key_of([id], TASK, one.label)
                said = decisions.get(key)
                why = f"{one.label} {one.score:.3g}, where less than {one.limit:g} may stay"
                entries.append(review.Entry(key, id, TASK, "", {}, why))
                if said is not None and said.accept:
                    values[id]["cleared"] = said.reason
                else:
                    values[id].setdefault("unsafe", f"unsafe: {one.label}")
    return values, entries


def _name(label: str) -> str:
    if label in ("width", "height", "brightness", "contrast", "phash", "fine", "error"):
        raise DataError(
            f"curate.safety: {label!r} is measured of every picture; give another label."
        )
    return label


def safe(values: Mapping[str, Any]) -> str | None:
    """The rule: a picture goes for what was found out about it."""
    return values.get("unsafe")
