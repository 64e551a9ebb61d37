"""SEED-Bench (Li et al. 2024): four choices about a picture, in nine dimensions.

Its authors do not read answers: they take the choice with the lowest loss. So does `by =
"likelihood"`, the mean over a choice's tokens, and the question stands without its options then.

    SEED-Bench.json        {"questions": [question, choice_a … choice_d, answer, data_id,
                           data_type, question_id, question_type_id]}, pictures as files
    lmms-lab/SEED-Bench    the same columns, image: a list
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
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
    kept,
    share,
    text_of,
    with_options,
)
from haiga.evaluation.benchmarks.rows import where
from haiga.evaluation.conditions import Item
from haiga.records import MAX_PICTURES
from haiga.sources.conversations import RowFault
from haiga.text.answers import choice

DIMENSIONS: Final = (
    "scene understanding", "instance identity", "instance attributes", "instance location",
    "instances counting", "spatial relation", "instance interaction", "visual reasoning",
    "text understanding",
)  # fmt: skip


def seed_bench(
    given: Given,
    *,
    path: str,
    split: str = "",
    config: str = "",
    pictures: str = "",
    by: By = "likelihood",
) -> Bench:
    """The questions about pictures; those about videos are set aside."""
    found = where(path, split=split, config=config, pictures=pictures)
    read = partial(_item, given=given, root=found.root, by=by)
    return bench(found.rows, read, given.pictures, data=found.data, by=by)


def _item(place: str, row: Mapping[str, Any], *, given: Given, root: Path | None, by: By) -> Item:
    if str(row.get("data_type")) != "image":
        raise RowFault("it is about a video")
    shown = row.get("image") or row.get("data_id")
    shown = list(shown) if isinstance(shown, list) else [shown]
    if len(shown) > MAX_PICTURES:
        raise RowFault(f"more than {MAX_PICTURES} pictures")
    options = [text_of(row, f"choice_{letter}") for letter in "abcd"]
    gold = text_of(row, "answer").upper()
    if gold not in LETTERS[:4]:
        raise RowFault("its answer is none of its options")
    kind = str(row.get("question_type_id"))
    known = kind.isdigit() and 0 < int(kind) <= len(DIMENSIONS)
    question = text_of(row, "question")
    whole = f"{with_options(question, options)}\n{DIRECTLY}"
    return Item(
        id=text_of(row, "question_id"),
        prompt=asked(question if by == "likelihood" else whole, len(shown)),
        pictures=tuple(kept(each, given.pictures, root) for each in shown),
        reference=gold,
        truth={
            "categories": [DIMENSIONS[int(kind) - 1] if known else "other"],
            "options": options,
            "candidates": options,
            "labels": list(LETTERS[:4]),
        },
    )


def said(item: Item, answer: str) -> str | None:
    """The letter that an answer chooses, or None."""
    return choice(answer, LETTERS[:4], item.truth["options"])


def official(items: Sequence[Item], answers: Sequence[str]) -> dict[str, float]:
    """As `eval.py` has it for choices by likelihood; for written ones as lmms-eval has it, which
    looks at the first character alone."""
    right = [
        answer.strip()[:1].lower() == item.reference.lower()
        for item, answer in zip(items, answers, strict=True)
    ]
    found = {"accuracy": share(right)}
    for name in DIMENSIONS:
        own = [r for r, i in zip(right, items, strict=True) if name in i.truth["categories"]]
        found |= {f"accuracy {name}": share(own)} if own else {}
    return found


SEED_BENCH: Final = Benchmark(
    open=seed_bench,
    checks=accuracy(said),
    primary="accuracy",
    official=official,
    rules="eval.py of AILab-CVC/SEED-Bench; of written answers, lmms-eval's first character",
    sentence="Four choices about a picture, in nine dimensions.",
)
