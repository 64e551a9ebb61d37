"""MMBench (Liu et al. 2024): every question with its options in every order.

Circular: a question is right where all its orders are. That the vanilla score, of the first order
alone, is higher shows how far position decides.

    OpenCompass TSV   index, hint, question, A … D, answer, category, l2-category, image (base64,
                      or the index of the row that has it), split
    lmms-lab/MMBench  the same, L2-category, image {"bytes", "path"}

Rotation k of question q has the index q + k · 1,000,000.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from haiga.evaluation.benchmarks.base import (
    DIRECTLY,
    LETTERS,
    Bench,
    Benchmark,
    By,
    Given,
    accuracy,
    asked,
    bench,
    each,
    kept,
    share,
    text_of,
    with_options,
)
from haiga.evaluation.benchmarks.extracted import extracted
from haiga.evaluation.benchmarks.rows import where
from haiga.evaluation.checks import Check, Part, Parts
from haiga.evaluation.conditions import Item
from haiga.records import Picture
from haiga.sources.conversations import RowFault
from haiga.text.answers import choice

TURN: Final = 1_000_000
_MARKS: Final = (
    ("", "."), ("", ","), ("", ":"), ("", ")"), ("", ")."), ("(", ")"), ("(", ")."), (":", ""),
    (":", ","), (":", "."), (":", ")"), (":", ")."),
)  # fmt: skip


def mmbench(
    given: Given, *, path: str, split: str = "", config: str = "", by: By = "writing"
) -> Bench:
    """Questions of one split, with their rotations; those of the test split have no answers."""
    found = where(path, split=split, config=config)
    held: dict[str, Picture] = {}
    read = partial(_item, given=given, held=held, by=by)
    return bench(found.rows, read, given.pictures, data=found.data, by=by)


def _item(
    place: str, row: Mapping[str, Any], *, given: Given, held: dict[str, Picture], by: By
) -> Item:
    index = text_of(row, "index")
    if not index.isdigit():
        raise RowFault("its index is no number")
    shown = row.get("image")
    # A rotation names the row that has the picture, which stands before it.
    if isinstance(shown, str) and shown in held:
        held[index] = held[shown]
    else:
        held[index] = kept(shown, given.pictures, None)
    options = [str(row[letter]) for letter in "ABCD" if _is_there(row.get(letter))]
    if not _is_there(row.get("answer")):
        raise RowFault("its answer is not published")
    gold = text_of(row, "answer")
    if gold not in LETTERS[: len(options)] or len(options) < 2:
        raise RowFault("its answer is none of its options")
    question = text_of(row, "question")
    if _is_there(row.get("hint")):
        question = f"{str(row['hint']).strip()}\n{question}"
    whole = f"{with_options(question, options)}\n{DIRECTLY}"
    return Item(
        id=index,
        prompt=asked(question if by == "likelihood" else whole),
        pictures=(held[index],),
        reference=gold,
        truth={
            "categories": [str(row.get("category") or "none")],
            "options": options,
            "candidates": options,
            "labels": list(LETTERS[: len(options)]),
        },
    )


def _is_there(value: Any) -> bool:
    return value is not None and str(value).strip() not in ("", "nan")


def said(item: Item, answer: str) -> str | None:
    """The letter that an answer chooses, or None."""
    options = item.truth["options"]
    return choice(answer, LETTERS[: len(options)], options)


def question_of(item: Item) -> int:
    """The number that all rotations of a question share."""
    return int(item.id) % TURN


def circular(items: Sequence[Item], answers: Sequence[str]) -> Parts:
    """1 on the first row of a question all whose rotations are right, None on its others."""
    right: dict[int, bool] = {}
    for item, answer in zip(items, answers, strict=True):
        own = question_of(item)
        right[own] = right.get(own, True) and said(item, answer) == item.reference
    first: dict[int, str] = {}
    for item in items:
        first.setdefault(question_of(item), item.id)
    return [
        Part(right[question_of(item)]) if first[question_of(item)] == item.id else None
        for item in items
    ]


def official(items: Sequence[Item], answers: Sequence[str]) -> dict[str, float]:
    """As lmms-eval's `mmbench_evals.py` has it, where the language model that it asks is silent.

    "static" is its own way without one, which extracts a letter more boldly; without that way it
    draws one, E among them, from the seed 2680.
    """
    drawn = random.Random(2680)
    rows = sorted(zip(items, answers, strict=True), key=lambda pair: int(pair[0].id))
    by_question: dict[int, list[tuple[Item, str]]] = {}
    for item, answer in rows:
        by_question.setdefault(question_of(item), []).append((item, answer))
    mains = [item for item, _ in rows if _first(item)]
    ways: dict[str, Callable[[Item, str], str]] = {
        "": lambda item, answer: "ABCDE"[drawn.randint(0, 4)],
        " static": lambda item, answer: extracted(answer, LETTERS[: len(item.truth["options"])]),
    }
    found = {}
    for way, rest in ways.items():
        hits = {item.id: _official(by_question[question_of(item)], rest) for item in mains}
        found[f"circular{way}"] = share(hits.values())
        for name in sorted({item.truth["categories"][0] for item in mains}):
            own = (hits[item.id] for item in mains if item.truth["categories"][0] == name)
            found[f"circular{way} {name}"] = share(own)
    return found


def _official(rows: Sequence[tuple[Item, str]], rest: Callable[[Item, str], str]) -> bool:
    """Whether all rotations are right; `rest` reads what the first look does not."""
    found = [_inferred(answer, item.truth["options"]) for item, answer in rows]
    gold = [item.reference for item, _ in rows]
    if any(letter and letter != right for letter, right in zip(found, gold, strict=True)):
        return False
    return all(
        (letter or rest(item, answer)) == item.reference
        for letter, (item, answer) in zip(found, rows, strict=True)
    )


def _inferred(answer: str, options: Sequence[str]) -> str | None:
    """A single letter among the words, bare or with marks, else the only option contained."""
    words = answer.split()
    bare = [letter for letter in "ABCDE" if letter in words]
    if len(bare) == 1 and not ("A" in words and len(words) > 3):
        return bare[0]
    for before, after in _MARKS:
        marked = [letter for letter in "ABCDE" if f"{before}{letter}{after}" in words]
        if len(marked) == 1:
            return marked[0]
    said = answer.lower()
    held = [a for a, option in zip(LETTERS, options, strict=False) if option.lower() in said]
    return held[0] if len(held) == 1 else None


def _first(item: Item) -> bool:
    return int(item.id) < TURN


def _right(item: Item, answer: str) -> Part:
    return Part(said(item, answer) == item.reference)


_VANILLA: Final[Callable[[Sequence[Item], Sequence[str]], Parts]] = each(_right, _first)
MMBENCH: Final = Benchmark(
    open=mmbench,
    checks={
        "circular": Check(circular, "questions answered rightly in every order of their options"),
        "vanilla": Check(_VANILLA, "questions answered rightly in their first order"),
        **accuracy(said),
    },
    primary="circular",
    official=official,
    rules="mmbench_evals.py of lmms-eval 0.7 without its judge: a random letter where there is "
    "none, or as its static way extracts it",
    sentence="Choices among two to four options, asked in every order of the options.",
)
