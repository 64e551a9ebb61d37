"""RealWorldQA (xAI 2024): photographs from the street, and where things are in them.

xai-org/RealworldQA   question (its options, where it has some, and how to answer stand inside
                      it), answer (a letter, or a word or number), image
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from haiga.evaluation.benchmarks import open_answers
from haiga.evaluation.benchmarks.base import (
    LETTERS,
    Bench,
    Benchmark,
    Given,
    accuracy,
    asked,
    bench,
    kept,
    share,
    text_of,
)
from haiga.evaluation.benchmarks.extracted import extracted
from haiga.evaluation.benchmarks.rows import where
from haiga.evaluation.conditions import Item
from haiga.text.answers import choice

_OPTION: Final = re.compile(r"^\s*([A-J])[.)]\s+(.+?)\s*$", re.MULTILINE)


def realworldqa(
    given: Given, *, path: str, split: str = "", config: str = "", pictures: str = ""
) -> Bench:
    """The questions as they are published; nothing is added to their words."""
    found = where(path, split=split, config=config, pictures=pictures)
    read = partial(_item, given=given, root=found.root)
    return bench(found.rows, read, given.pictures, data=found.data)


def _item(place: str, row: Mapping[str, Any], *, given: Given, root: Path | None) -> Item:
    question, gold = text_of(row, "question"), text_of(row, "answer")
    held = _OPTION.findall(question)
    in_order = [letter for letter, _ in held] == list(LETTERS[: len(held)])
    closed = gold in LETTERS and in_order and gold in [letter for letter, _ in held]
    return Item(
        id=str(row.get("id") or place),
        prompt=asked(question),
        pictures=(kept(row.get("image"), given.pictures, root),),
        reference=gold,
        truth={
            "categories": ["choice" if closed else "open"],
            "options": [text for _, text in held] if closed else [],
        },
    )


def said(item: Item, answer: str) -> str | None:
    """The letter, or the gold answer where an open answer states it; else the answer's words."""
    options = item.truth["options"]
    if options:
        return choice(answer, LETTERS[: len(options)], options)
    if open_answers.states(answer, item.reference):
        return item.reference
    return answer.strip() or None


def official(items: Sequence[Item], answers: Sequence[str]) -> dict[str, float]:
    """As lmms-eval 0.7 has it: the letter that it extracts, else equality in small letters."""
    return {
        "exact_match": share(
            extracted(answer, "ABCD") == item.reference.upper()
            if item.reference.upper() in set("ABCD")
            else answer.lower().strip().rstrip(".") == item.reference.lower()
            for item, answer in zip(items, answers, strict=True)
        )
    }


REALWORLDQA: Final = Benchmark(
    open=realworldqa,
    checks=accuracy(said),
    primary="accuracy",
    official=official,
    rules="realworldqa/utils.py of lmms-eval 0.7: the letter that it extracts, or equality",
    sentence="Photographs from the street, and where things are in them.",
)
