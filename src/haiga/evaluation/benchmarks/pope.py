"""POPE (Li et al. 2023): is there a … in the image? Yes or no, and how often yes without reason.

Its published scorer takes every answer without a "no" for a yes, so that silence scores an F1 of
0.667. Here an answer that says neither is wrong: a miss where the truth is yes, a false alarm
where it is no, so that it can help neither precision nor recall.

    AoiDragon/POPE   JSON lines: question_id, image (a file's name), text, label
    lmms-lab/POPE    id, question_id, question, answer, image_source, image, category
    VLMEvalKit       TSV: index, image (base64), question, answer, category (several, with commas)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from haiga.evaluation.benchmarks.base import (
    SHORTLY,
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
)
from haiga.evaluation.benchmarks.rows import where
from haiga.evaluation.checks import Check, Part, clusters
from haiga.evaluation.conditions import Item
from haiga.records import Score
from haiga.sources.conversations import RowFault
from haiga.statistics.intervals import bootstrap_counts
from haiga.text.answers import yes_no

SPLITS: Final = ("random", "popular", "adversarial")
PUBLISHED: Final = 3000
"""Questions of each split; the random file of before October 2023 had 2,910."""
F1: Final = 0.85
SURE: Final = 0.99
YES: Final = (0.4, 0.6)
FOLDS: Final = 5


def pope(
    given: Given,
    *,
    path: str,
    split: str = "",
    config: str = "",
    pictures: str = "",
    by: By = "writing",
) -> Bench:
    """Published questions, in any of the three forms; a file's name tells the split that it is."""
    found = where(path, split=split, config=config, pictures=pictures)
    read = partial(_item, given=given, root=found.root, data=found.data)
    return complete(bench(found.rows, read, given.pictures, data=found.data, by=by))


def complete(made: Bench) -> Bench:
    """The questions, with a note where a split is not the published one."""
    counts = {name: sum(name in categories(item) for item in made.items) for name in SPLITS}
    notes = tuple(
        f"{name}: {count} of the published {PUBLISHED:,} questions"
        for name, count in counts.items()
        if count not in (0, PUBLISHED)
    )
    return Bench(made.items, made.pictures, made.data, made.aside, made.by, notes)


def _item(
    place: str, row: Mapping[str, Any], *, given: Given, root: Path | None, data: str
) -> Item:
    label = text_of(row, "label", "answer").lower()
    if label not in ("yes", "no"):
        raise RowFault("its answer is neither yes nor no")
    found = [name for name in SPLITS if name in str(row.get("category") or place)]
    question = text_of(row, "text", "question")
    number = text_of(row, "question_id", "index", "id")
    image = row.get("image")
    return Item(
        id=f"{'+'.join(found) or data}:{number}",
        prompt=asked(f"{question}\n{SHORTLY}"),
        pictures=(kept(image, given.pictures, root),),
        reference=label,
        truth={"categories": found, "candidates": ["Yes", "No"], "labels": ["yes", "no"]},
    )


def categories(item: Item) -> Sequence[str]:
    """The splits that a question belongs to; some stand in all three."""
    found: Sequence[str] = item.truth.get("categories", ())
    return found


def said(item: Item, answer: str) -> str | None:
    """What an answer says: "yes", "no", or None."""
    return yes_no(answer)


def _counts(item: Item, answer: str) -> tuple[bool, bool, bool, bool]:
    """Whether it is a true positive, a false one, a true negative, a false one."""
    spoken, true = said(item, answer), item.reference == "yes"
    right = spoken == item.reference
    return true and right, not true and not right, not true and right, true and not right


def _f1(item: Item, answer: str) -> Part:
    hit, alarm, _, miss = _counts(item, answer)
    return Part(2.0 * hit, 2.0 * hit + alarm + miss)


def _precision(item: Item, answer: str) -> Part:
    hit, alarm, _, _ = _counts(item, answer)
    return Part(float(hit), float(hit + alarm))


def _of(name: str) -> Callable[[Item], bool]:
    return lambda item: name in categories(item)


def _matthews(counts: np.ndarray) -> np.ndarray:
    """Matthews' correlation of counts (…, 4): tp, fp, tn, fn; 0 where a margin is empty."""
    tp, fp, tn, fn = np.moveaxis(counts, -1, 0)
    below = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.divide(tp * tn - fp * fn, below, out=np.zeros_like(below), where=below > 0)


def _macro(counts: np.ndarray) -> np.ndarray:
    """The mean of the splits' F1 of counts (…, 4 S)."""
    tp, fp, _, fn = np.moveaxis(counts.reshape(*counts.shape[:-1], -1, 4), -1, 0)
    below = 2 * tp + fp + fn
    return np.divide(2 * tp, below, out=np.zeros_like(below), where=below > 0).mean(axis=-1)


def mcc(items: Sequence[Item], answers: Sequence[str], seed: int) -> Score | None:
    """Matthews' correlation of answers and labels, 0 for a model that always says the same."""
    table = np.array([_counts(i, a) for i, a in zip(items, answers, strict=True)], dtype=float)
    return bootstrap_counts(table, _matthews, clusters(items), bounds=(-1, 1), seed=seed)


def macro_f1(items: Sequence[Item], answers: Sequence[str], seed: int) -> Score | None:
    """The mean of the three splits' F1, as the paper's headline; None where a split is missing."""
    if any(all(name not in categories(item) for item in items) for name in SPLITS):
        return None
    table = np.array(
        [
            [count * (name in categories(i)) for name in SPLITS for count in _counts(i, a)]
            for i, a in zip(items, answers, strict=True)
        ],
        dtype=float,
    )
    return bootstrap_counts(table, _macro, clusters(items), bounds=(0, 1), seed=seed)


def prior(items: Sequence[Item]) -> list[str]:
    """The answers of one who knows which things are usual, and looks at no picture.

    Pictures lie in five folds. A question is answered as the same one mostly is about pictures of
    the other folds, in its own split; with yes where that is balanced or it was never asked.
    """
    groups = clusters(items)
    names = list(dict.fromkeys(groups))
    places = np.random.default_rng(FOLDS).permutation(len(names)) % FOLDS
    fold = dict(zip(names, places.tolist(), strict=True))
    questions = [(*categories(item), *(turn.text for turn in item.prompt)) for item in items]
    balance: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
    for item, group, question in zip(items, groups, questions, strict=True):
        balance[question][fold[group]] += 1 if item.reference == "yes" else -1
    return [
        "yes" if balance[question].total() >= balance[question][fold[group]] else "no"
        for group, question in zip(groups, questions, strict=True)
    ]


def official(items: Sequence[Item], answers: Sequence[str]) -> dict[str, float]:
    """As `evaluate.py` has it: the first sentence is a no if a word of it is no, No or not."""
    negative = [
        bool({"No", "not", "no"} & set(answer.split(".")[0].replace(",", "").split(" ")))
        for answer in answers
    ]
    found: dict[str, float] = {}
    for name in ("", *SPLITS):
        rows = [
            (not no, item.reference == "yes")
            for item, no in zip(items, negative, strict=True)
            if not name or name in categories(item)
        ]
        if rows:
            of = f"_{name}" if name else ""
            found |= {f"{key}{of}": value for key, value in _official(rows).items()}
    macro = [found[f"f1_{name}"] for name in SPLITS if f"f1_{name}" in found]
    return found | ({"macro_f1": sum(macro) / 3} if len(macro) == len(SPLITS) else {})


def _official(rows: Sequence[tuple[bool, bool]]) -> dict[str, float]:
    hits = sum(yes and true for yes, true in rows)
    said_yes, are_yes = sum(yes for yes, _ in rows), sum(true for _, true in rows)
    return {
        "accuracy": share(yes == true for yes, true in rows),
        "precision": hits / said_yes if said_yes else 0.0,
        "recall": hits / are_yes if are_yes else 0.0,
        "f1": 2 * hits / (said_yes + are_yes) if said_yes + are_yes else 0.0,
        "yes_ratio": said_yes / len(rows),
    }


def gate(cells: Mapping[str, Any]) -> list[str]:
    """What is missing of the claim that a model sees what is there; nothing where it may be made.

    The lower 95 % bounds of the macro F1 and of the adversarial F1 above 0.85, because a prior of
    names alone reaches more on the popular split; answers that can be read; as many yes as no; and
    a blind row to hold it against.
    """
    full = cells.get("full", {})
    missing = [
        f"{name.replace('_', ' ')} is not surely above {F1}"
        for name in ("macro_f1", "f1_adversarial")
        if full.get(name, {}).get("low", 0.0) <= F1
    ]
    if full.get("parsed", {}).get("mean", 0.0) < SURE:
        missing.append(f"less than {SURE:.0%} of the answers can be read")
    if not YES[0] <= full.get("yes_ratio", {}).get("mean", 0.0) <= YES[1]:
        missing.append(f"yes is not said to between {YES[0]:.0%} and {YES[1]:.0%} of the questions")
    return missing + ([] if "blind" in cells else ["nobody was asked without the picture"])


CHECKS: Final[dict[str, Check]] = {
    "f1": Check(each(_f1), "F1 of yes; an answer that says neither is a miss or a false alarm"),
    **accuracy(said),
    "precision": Check(each(_precision), "of the things said to be there, those that are"),
    "recall": Check(
        each(
            lambda item, answer: Part(said(item, answer) == "yes"),
            lambda item: item.reference == "yes",
        ),
        "of the things that are there, those said to be",
    ),
    "yes_ratio": Check(
        each(lambda item, answer: Part(said(item, answer) == "yes")),
        "questions answered with yes; half of them should be",
    ),
    **{f"f1_{name}": Check(each(_f1, _of(name)), f"F1 on the {name} questions") for name in SPLITS},
}
POPE: Final = Benchmark(
    open=pope,
    checks=CHECKS,
    primary="f1",
    official=official,
    rules="evaluate.py of AoiDragon/POPE: what holds no 'no' is a yes",
    sentence="Is there a … in the image? Half of the things are there, half are not.",
    totals={"macro_f1": macro_f1, "mcc": mcc},
    prior=prior,
    gate=gate,
)
