"""Things that an answer names and that are not in its picture: CHAIR, and its kin for poems.

    evaluation/hallucination.json    stage -> condition -> check -> Score

CHAIR (Rohrbach et al. 2018) of descriptions: of all mentions the share that is not there (CHAIRi),
and the share of descriptions with one such mention or more (CHAIRs). Both are lower for who says
less, and 0 for silence; so recall stands beside them, and here an answer that names nothing, or
cannot be read, counts as one false mention. Of poems the literal mentions are counted: what an
answer likens something to ("like a crane") need not be there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from haiga.evaluation.checks import Check, Part, Parts, clusters, has_scene, readable, score
from haiga.evaluation.conditions import Item
from haiga.evaluation.run import read_answers
from haiga.store.files import write_json
from haiga.text.figures import likened
from haiga.text.mentions import mentions
from haiga.text.plurals import plurals
from haiga.world.lexicon import lexicon

Vocabulary: TypeAlias = Mapping[str, Sequence[str]]
Said: TypeAlias = Callable[[str], list[frozenset[str]]]
"""text -> what each of its mentions may mean."""


def annotated(item: Item) -> tuple[str, ...]:
    """What is known to be in the item's picture, each once, in the order of its annotation."""
    known = item.truth["scene"]["things"] if has_scene(item) else item.truth.get("objects", ())
    return tuple(dict.fromkeys(map(str, known)))


def objects(item: Item) -> frozenset[str]:
    """What is known to be in the item's picture; empty where nobody knows."""
    return frozenset(annotated(item))


def vocabulary(items: Sequence[Item], language: str) -> Vocabulary:
    """All that mentions are looked for: the world's things, or whatever the items are annotated
    with, in singular and plural."""
    if any(map(has_scene, items)):
        return lexicon(language, "things")
    return {name: plurals(name) for name in sorted(frozenset().union(*map(objects, items)))}


def literal(text: str, words: Vocabulary) -> list[frozenset[str]]:
    """The mentions of a text, line by line, without those that stand in a figure."""
    found = []
    for line in text.splitlines():
        own = mentions(line, words)
        figures = likened(line, own)
        found += [each.names for each, figure in zip(own, figures, strict=True) if not figure]
    return found


def every(text: str, words: Vocabulary) -> list[frozenset[str]]:
    """All mentions of a text."""
    return [each.names for each in mentions(text, words)]


def false_mentions(item: Item, said: Sequence[frozenset[str]]) -> Part:
    """CHAIRi: of the mentions those that are not there; no mention is one that is not."""
    true = objects(item)
    return Part(float(sum(not names & true for names in said) or not said), max(1, len(said)))


def false_answers(item: Item, said: Sequence[frozenset[str]]) -> Part:
    """CHAIRs: whether something is named that is not there, or nothing at all."""
    return Part(bool(false_mentions(item, said).numerator))


def precision(item: Item, said: Sequence[frozenset[str]]) -> Part:
    """Of the mentions those that are there; no mention is one that is not."""
    wrong = false_mentions(item, said)
    return Part(wrong.denominator - wrong.numerator, wrong.denominator)


def recall(item: Item, said: Sequence[frozenset[str]]) -> Part:
    """Of the things that are there, those that are named once or more."""
    true = objects(item)
    return Part(len(true & frozenset().union(*said)), len(true))


_OF: Final = {
    "chair_i": (false_mentions, "of the mentions in descriptions, those not in the picture (low is "
                "good); a description that names nothing counts as one"),
    "chair_s": (false_answers, "descriptions with a mention that is not in the picture, or with "
                "none at all (low is good)"),
    "recall": (recall, "of the things in the picture, those that the description names"),
    "mention_precision": (precision, "of a poem's literal mentions, those in the picture; what it "
                          "likens to is left out"),
}  # fmt: skip
POEMS: Final = frozenset({"mention_precision"})


def checks(items: Sequence[Item]) -> dict[str, Check]:
    """The checks of `items` by their names; descriptions and poems have their own."""
    words = {language: vocabulary(items, language) for language in {i.language for i in items}}
    return {
        name: Check(partial(_scored, of=of, poems=name in POEMS, words=words), sentence)
        for name, (of, sentence) in _OF.items()
    }


def _scored(
    items: Sequence[Item],
    answers: Sequence[str],
    *,
    of: Callable[[Item, Sequence[frozenset[str]]], Part],
    poems: bool,
    words: Mapping[str, Vocabulary],
) -> Parts:
    parts: Parts = []
    for item, answer in zip(items, answers, strict=True):
        if not objects(item) or (item.task != "describe") is not poems:
            parts.append(None)
            continue
        text = answer if readable(item, answer) else ""
        read = literal if poems else every
        parts.append(of(item, read(text, words[item.language])))
    return parts


def evaluate(items: Sequence[Item], folder: Path, *, seed: int = 0) -> dict[str, Any]:
    """Count in the answers that lie under `folder`, and write what was found.

    Nothing is asked again. Empty, and no file, where nobody knows what is in any picture.
    """
    if not any(map(objects, items)):
        return {}
    groups, own = clusters(items), checks(items)
    found: dict[str, dict[str, Any]] = {}
    for stage, by_condition in read_answers(folder).items():
        for condition, rows in by_condition.items():
            answers = [row["answer"] for row in rows]
            cells = {name: score(each.score(items, answers), groups, seed=seed)
                     for name, each in own.items()}  # fmt: skip
            found.setdefault(stage, {})[condition] = {
                name: asdict(cell) for name, cell in cells.items() if cell is not None
            }
    write_json(folder / "hallucination.json", found)
    return found


def read(folder: Path) -> dict[str, Any]:
    """What `evaluate` left under `folder`."""
    path = folder / "hallucination.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
