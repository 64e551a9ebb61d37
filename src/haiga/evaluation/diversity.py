"""How varied a model's texts are, in which language, and whether they are copies.

    evaluation/diversity.json    stage, or "references" -> what was found

Distinct-n falls with the number of texts, so that the references of the same items stand beside.
A near copy shares half or more of its different 4-grams (words; characters in Japanese) with one
text that the model was trained on, or with one poem in the public domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from haiga.evaluation.checks import Part, clusters, score
from haiga.evaluation.conditions import Item
from haiga.evaluation.run import read_answers
from haiga.statistics.intervals import bootstrap_mean
from haiga.store.files import write_json
from haiga.text.classics import classics
from haiga.text.diversity import distinct, index, likeness, overlap
from haiga.text.language import is_in

NEAR: Final = 0.5
SHOWN: Final = 3
REFERENCES: Final = "references"


def measured(
    texts: Sequence[str],
    items: Sequence[Item],
    sources: Mapping[str, Sequence[str]],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """What can be said of `texts`, one for each item.

    Args:
        texts: two or more.
        items: for their languages and clusters.
        sources: "training" and "classics", each the texts that copies are looked for in.
        seed: of the bootstrap.

    Returns:
        "distinct_1", "distinct_2": different n-grams over all; "likeness": the share of a text's
        bigrams that another one has, averaged; "language": texts in the language asked for;
        "copies_<source>": near copies (mean, low, high, n); "nearest_<source>": the nearest few,
        as {"text", "source", "share"}.
    """
    groups = clusters(items)
    right = [Part(is_in(text, item.language)) for text, item in zip(texts, items, strict=True)]
    in_language = score(right, groups, seed=seed)
    found: dict[str, Any] = {
        "distinct_1": distinct(texts, 1),
        "distinct_2": distinct(texts, 2),
        "likeness": asdict(bootstrap_mean(likeness(texts), groups, seed=seed)),
        "language": asdict(in_language) if in_language is not None else None,
    }
    for name, held in sources.items():
        grams = index(held)
        near = [overlap(text, grams) for text in texts]
        copies = score([Part(share >= NEAR) for share, _ in near], groups, seed=seed)
        found[f"copies_{name}"] = asdict(copies) if copies is not None else None
        order = sorted(range(len(texts)), key=lambda at: (-near[at][0], at))[:SHOWN]
        found[f"nearest_{name}"] = [
            {"text": texts[at], "source": held[place], "share": near[at][0]}
            for at in order
            if (place := near[at][1]) is not None
        ]
    return found


def evaluate(
    items: Sequence[Item], folder: Path, training: Sequence[str], *, seed: int = 0
) -> dict[str, Any]:
    """Measure the answers with their pictures that lie under `folder`, and write what was found."""
    if len(items) < 2:
        return {}
    languages = dict.fromkeys(item.language for item in items)
    old = ["\n".join(poem.lines) for each in languages for poem in classics(each)]
    sources = {"training": training, "classics": old}
    found = {REFERENCES: measured([i.reference for i in items], items, sources, seed=seed)}
    for stage, by_condition in read_answers(folder).items():
        if "full" in by_condition:
            texts = [row["answer"] for row in by_condition["full"]]
            found[stage] = measured(texts, items, sources, seed=seed)
    write_json(folder / "diversity.json", found)
    return found
