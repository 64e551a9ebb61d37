"""MMMU (Yue et al. 2024): college questions of 30 subjects, with pictures among the words.

Its published scorer draws a letter at random where it finds none, so that silence scores a
quarter; here no letter is wrong.

    MMMU/MMMU, lmms-lab/MMMU   id, question ("… <image 1> …"), options (a list written as text),
                               answer, question_type, image_1 … image_7
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from haiga.evaluation.benchmarks import open_answers
from haiga.evaluation.benchmarks.base import (
    DIRECTLY,
    LETTERS,
    SHORTLY,
    Bench,
    Benchmark,
    Given,
    accuracy,
    bench,
    kept,
    share,
    text_of,
    with_options,
)
from haiga.evaluation.benchmarks.rows import where
from haiga.evaluation.conditions import Item
from haiga.records import IMAGE, Picture, user
from haiga.sources.conversations import RowFault
from haiga.text.answers import choice

DOMAINS: Final = {
    "Art & Design": "Art Art_Theory Design Music",
    "Business": "Accounting Economics Finance Manage Marketing",
    "Science": "Biology Chemistry Geography Math Physics",
    "Health & Medicine": "Basic_Medical_Science Clinical_Medicine "
    "Diagnostics_and_Laboratory_Medicine Pharmacy Public_Health",
    "Humanities & Social Sci.": "History Literature Sociology Psychology",
    "Tech & Eng.": "Agriculture Architecture_and_Engineering Computer_Science Electronics "
    "Energy_and_Power Materials Mechanical_Engineering",
}
_DOMAIN: Final = {subject: name for name, held in DOMAINS.items() for subject in held.split()}
_PLACE: Final = re.compile(r"<image (\d+)>")
HIDDEN: Final = "?"


def mmmu(given: Given, *, path: str, split: str = "", config: str = "") -> Bench:
    """Questions of one split; those of the test split have no published answers."""
    found = where(path, split=split, config=config)
    return bench(found.rows, partial(_item, given=given), given.pictures, data=found.data)


def _item(place: str, row: Mapping[str, Any], *, given: Given) -> Item:
    gold = _listed(text_of(row, "answer"))
    if gold == [HIDDEN]:
        raise RowFault("its answer is not published")
    options = _listed(row.get("options") or [])
    closed = row.get("question_type") == "multiple-choice"
    if closed and (len(options) < 2 or gold[0] not in LETTERS[: len(options)]):
        raise RowFault("its answer is none of its options")
    question = text_of(row, "question")
    words = with_options(question, options, "({}) {}") if closed else question
    parts, pictures = _placed(f"{words}\n\n{DIRECTLY if closed else SHORTLY}", row, given)
    id = text_of(row, "id")
    subject = "_".join(id.split("_")[1:-1])
    return Item(
        id=id,
        prompt=(user(*parts),),
        pictures=pictures,
        reference=gold[0],
        truth={
            "categories": [_DOMAIN.get(subject, "other")],
            "subject": subject,
            "options": options if closed else [],
            "gold": gold,
        },
    )


def _listed(value: Any) -> list[str]:
    """A list, or the text that one is written as; anything else is a list of one."""
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise RowFault("its list of options or answers cannot be read") from None
    return [str(each) for each in value] if isinstance(value, (list, tuple)) else [str(value)]


def _placed(
    text: str, row: Mapping[str, Any], given: Given
) -> tuple[list[Any], tuple[Picture, ...]]:
    """The words with a picture in each place; a place named again refers to its number."""
    parts: list[Any] = []
    pictures: list[Picture] = []
    seen: set[str] = set()
    for at, piece in enumerate(_PLACE.split(text)):
        if at % 2 == 0:
            parts += [piece] if piece else []
        elif piece in seen:
            parts.append(f"image {piece}")
        else:
            seen.add(piece)
            parts.append(IMAGE)
            pictures.append(kept(row.get(f"image_{piece}"), given.pictures, None))
    if not pictures:
        raise RowFault("its words name no picture")
    return parts, tuple(pictures)


def said(item: Item, answer: str) -> str | None:
    """The letter, or the gold answer where an open answer states it; else None."""
    options = item.truth["options"]
    if options:
        return choice(answer, LETTERS[: len(options)], options)
    if any(open_answers.states(answer, gold) for gold in item.truth["gold"]):
        return item.reference
    return answer.strip() or None


def official(items: Sequence[Item], answers: Sequence[str]) -> dict[str, float]:
    """As `eval_utils.py` has it, drawing letters where there are none, from the seed 42."""
    drawn = random.Random(42)
    right = [
        _chosen(answer, item.truth["options"], drawn) == item.reference
        if item.truth["options"]
        else open_answers.official(answer, item.truth["gold"])
        for item, answer in zip(items, answers, strict=True)
    ]
    found = {"accuracy": share(right)}
    for name in DOMAINS:
        own = [r for r, i in zip(right, items, strict=True) if name in i.truth["categories"]]
        found |= {f"accuracy {name}": share(own)} if own else {}
    return found


def _chosen(answer: str, options: Sequence[str], drawn: random.Random) -> str:
    """The published rule for letters: in brackets, else alone, else by the text; the last one."""
    for mark in ",.!?;:'":
        answer = answer.strip(mark)
    text, letters = f" {answer} ", LETTERS[: len(options)]
    for form in ("({})", " {} "):
        places = {letter: text.rfind(form.format(letter)) for letter in letters}
        if max(places.values()) >= 0:
            return max(places, key=lambda letter: places[letter])
    if len(text.split()) > 5:
        said = text.lower()
        pairs = zip(letters, options, strict=True)
        places = {letter: said.rfind(option.lower()) for letter, option in pairs}
        if max(places.values()) >= 0:
            return max(places, key=lambda letter: places[letter])
    return drawn.choice(letters)


MMMU: Final = Benchmark(
    open=mmmu,
    checks=accuracy(said),
    primary="accuracy",
    official=official,
    rules="eval_utils.py of MMMU-Benchmark/MMMU: a random letter where there is none",
    sentence="College questions of 30 subjects, each with its pictures among the words.",
)
