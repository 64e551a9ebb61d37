"""How much texts repeat themselves, each other, and what they were trained on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from haiga.text.scripts import tokens

Gram: TypeAlias = tuple[str, ...]
Index: TypeAlias = Mapping[Gram, frozenset[int]]


def grams(text: str, n: int) -> list[Gram]:
    """The n-grams of a text's tokens (words; characters in Japanese).

    A text shorter than n tokens is one gram of its own length, so that it can still be a copy.
    """
    units = tokens(text)
    if not units:
        return []
    return [tuple(units[i : i + n]) for i in range(max(1, len(units) - n + 1))]


def distinct(texts: Iterable[str], n: int = 2) -> float:
    """Distinct-n: different n-grams over all n-grams of a corpus (Li et al. 2016), 0 for none.

    It falls with the size of the corpus: compare equal numbers of texts only.
    """
    counts = Counter(gram for text in texts for gram in grams(text, n))
    return len(counts) / counts.total() if counts else 0.0


def repetition(text: str, n: int = 3) -> float:
    """The share of a text's n-grams that have occurred in it before; 0 for none."""
    own = grams(text, n)
    return 1 - len(set(own)) / len(own) if own else 0.0


def index(references: Sequence[str], n: int = 4) -> Index:
    """n-gram -> the positions of the references that hold it: what `overlap` looks up."""
    positions: dict[Gram, set[int]] = defaultdict(set)
    for position, reference in enumerate(references):
        for gram in grams(reference, n):
            positions[gram].add(position)
    return {gram: frozenset(held) for gram, held in positions.items()}


def overlap(text: str, references: Index, n: int = 4) -> tuple[float, int | None]:
    """The largest share of a text's different n-grams that one reference holds, and which one.

    `n` must be that of the index. 1.0 is a text that stands in the reference as a whole; a near
    copy is commonly called from 0.5 on. (0.0, None) where nothing is shared.
    """
    own = set(grams(text, n))
    shared = Counter(position for gram in own for position in references.get(gram, ()))
    if not shared:
        return 0.0, None
    position, count = min(shared.items(), key=lambda item: (-item[1], item[0]))
    return count / len(own), position


def likeness(texts: Sequence[str], n: int = 2) -> list[float]:
    """How much each text is like the others: the share of its different n-grams that another text
    holds, averaged over the others. 1 for a text without words, which has nothing of its own.

    Raises ValueError for fewer than two texts.
    """
    if len(texts) < 2:
        raise ValueError(f"Texts are compared with each other; there are only {len(texts)}.")
    own = [set(grams(text, n)) for text in texts]
    holders = Counter(gram for each in own for gram in each)
    return [
        sum(holders[gram] - 1 for gram in each) / (len(each) * (len(texts) - 1)) if each else 1.0
        for each in own
    ]
