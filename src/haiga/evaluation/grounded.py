"""Several answers are drawn, and the one that most belongs to its picture is taken.

`dependence` asks the model itself: by how many nats a token the picture makes an answer likelier
(its pointwise mutual information with the picture, by the token, so that length does not pay).
`similarity` asks a dual encoder for the cosine of picture and text. Every candidate keeps its
score; one that cannot be had is an error, and never the lowest number that there is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from jaxtyping import Float
from torch import Tensor

from haiga.errors import ModelError, RecipeError
from haiga.evaluation.conditions import CONDITIONS, Item, images
from haiga.evaluation.likelihood import answer_logps
from haiga.evaluation.run import Answerer
from haiga.evaluation.seen import features_of
from haiga.models.assemble import Vlm
from haiga.models.device import device
from haiga.models.generate import respond
from haiga.models.towers import Towers, load_towers, picture_embeds, text_embeds
from haiga.store.files import write_atomically

Scores: TypeAlias = list[list[float]]
"""Of each item, the score of each of its candidates."""
ROWS: Final = 8
"""Items whose candidates are drawn and scored together."""


@dataclass(frozen=True, slots=True)
class Best:
    """How the best of several is taken."""

    samples: int
    by: str = "dependence"
    """A name of `BY`."""
    temperature: float = 1.0
    encoder: str = ""
    """For `similarity`: the folder or the hub's name of a CLIP or SigLIP."""
    max_new_tokens: int = 64
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer that was drawn, and how much it belongs to its picture."""

    text: str
    score: float


def best_of(
    vlm: Vlm,
    items: Sequence[Item],
    pictures: Mapping[str, bytes],
    best: Best,
    features: Path | None = None,
) -> list[list[Candidate]]:
    """The candidates of each item, the best one first, then in the order in which they were drawn.

    A prompt and its pictures are read once for all candidates; `features` as of `answerer`.

    Raises:
        RecipeError: there is no such score, or it lacks its encoder.
        ModelError: a candidate has no score, or one that is no number.
    """
    if best.by not in BY:
        raise RecipeError(f"There is no score {best.by!r}; there are: {', '.join(BY)}.")

    def see(rows: Sequence[int]) -> Float[Tensor, "P T D"]:
        return features_of(vlm, [items[row] for row in rows], pictures, features)

    drawn = respond(
        vlm,
        [item.prompt for item in items],
        see,
        number=best.samples,
        max_new_tokens=best.max_new_tokens,
        temperature=best.temperature,
        seed=best.seed,
    )
    texts = [drawn[at * best.samples : (at + 1) * best.samples] for at in range(len(items))]
    scores = BY[best.by](vlm, items, texts, pictures, best, features)
    return [
        _ordered(item, own, given) for item, own, given in zip(items, texts, scores, strict=True)
    ]


def answerer(
    load: Callable[[], Vlm],
    pictures: Mapping[str, bytes],
    best: Best,
    kept: Path,
    features: Path | None = None,
) -> Answerer:
    """An answerer that takes the best of several; all of them are kept in `kept`, a line an item.

    `load`, `pictures` and `features` as for `evaluation.answerers.answerer`.
    """

    def answer(items: list[Item]) -> list[str]:
        vlm = load()
        vlm.model.to(device())
        found = []
        for start in range(0, len(items), ROWS):
            found += best_of(vlm, items[start : start + ROWS], pictures, best, features)
        keep(kept, {item.id: own for item, own in zip(items, found, strict=True)})
        return [own[0].text for own in found]

    return answer


def keep(path: Path, found: Mapping[str, Sequence[Candidate]]) -> None:
    """Write candidates with their scores beside those that are there, the best one first."""
    there = {}
    if path.exists():
        rows = (json.loads(line) for line in path.read_text("utf-8").split("\n") if line)
        there = {row["id"]: row["candidates"] for row in rows}
    there |= {name: [asdict(each) for each in own] for name, own in found.items()}
    lines = "".join(
        json.dumps({"id": name, "candidates": own}, ensure_ascii=False) + "\n"
        for name, own in there.items()
    )
    write_atomically(path, lines.encode())


def dependence(
    vlm: Vlm,
    items: Sequence[Item],
    texts: Sequence[Sequence[str]],
    pictures: Mapping[str, bytes],
    best: Best,
    features: Path | None,
) -> Scores:
    """log p(text | picture, prompt) - log p(text | prompt), in nats a token, by the model."""
    blind = CONDITIONS["blind"].transform(items, 0)
    with_it, without = (
        answer_logps(vlm, asked, texts, pictures, features) for asked in (items, blind)
    )
    return [
        ((one.logps - other.logps) / one.tokens).tolist()
        for one, other in zip(with_it, without, strict=True)
    ]


def similarity(
    vlm: Vlm,
    items: Sequence[Item],
    texts: Sequence[Sequence[str]],
    pictures: Mapping[str, bytes],
    best: Best,
    features: Path | None,
) -> Scores:
    """The cosine of picture and text by a dual encoder; over several pictures, the mean."""
    if not best.encoder:
        raise RecipeError(
            "The score 'similarity' needs an encoder: name a CLIP's or SigLIP's folder or hub "
            "name, for the floating world 'world:tower'."
        )
    towers = _towers(best.encoder)
    found = []
    for item, own in zip(items, texts, strict=True):
        seen = picture_embeds(towers, images(item, pictures))
        found.append((text_embeds(towers, list(own)) @ seen.T).mean(1).tolist())
    return found


BY: Final[dict[str, Callable[..., Scores]]] = {
    "dependence": dependence,
    "similarity": similarity,
}


@cache
def _towers(encoder: str) -> Towers:
    return load_towers(encoder)


def _ordered(item: Item, texts: Sequence[str], scores: Sequence[float]) -> list[Candidate]:
    """The best first; of equals the one that was drawn first."""
    found = [Candidate(text, score) for text, score in zip(texts, scores, strict=True)]
    for each in found:
        if not math.isfinite(each.score):
            raise ModelError(
                f"{item.id}: {each.text[:60]!r} has the score {each.score}, which is none; nothing "
                "was chosen. The model or the encoder gives no numbers on this picture."
            )
    best = max(range(len(found)), key=lambda at: (found[at].score, -at))
    return [found[best], *found[:best], *found[best + 1 :]]
