"""What a benchmark is: questions in a published form, their strict score, and the published one.

A benchmark reads rows, and each row becomes an `Item` or a reason why it cannot be one. A row that
cannot be asked is counted and named; it is no item. An item whose *answer* cannot be read is an
item, and wrong.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from haiga.errors import DataError
from haiga.evaluation.checks import Check, Part, Parts
from haiga.evaluation.conditions import Item
from haiga.records import IMAGE, Group, Message, Picture, Score, message_to_dict, user
from haiga.sources.conversations import RowFault
from haiga.sources.files import picture, picture_at
from haiga.store import fingerprint
from haiga.store.pictures import PictureFiles

By: TypeAlias = Literal["writing", "likelihood"]
"""How a model gives its answer: it writes one, or is asked which of the candidates is likeliest."""
Read: TypeAlias = dict[str, Any] | str
Places: TypeAlias = Iterator[tuple[str, Read]]
LETTERS: Final = "ABCDEFGHIJ"
LONGEST: Final = 32
"""Room for a letter and its reason; a longer answer is cut there."""
DIRECTLY: Final = "Answer with the option's letter from the given choices directly."
SHORTLY: Final = "Answer the question using a single word or phrase."


@dataclass(frozen=True)
class Given:
    """What a benchmark is read with, besides the options of its section."""

    pictures: PictureFiles
    """Where the pictures of its rows are kept."""
    seed: int = 0
    language: str = "en"
    held_out: Sequence[Group] = ()
    """The run's own held-out groups, where it is asked about them."""
    shown: Mapping[str, bytes] = field(default_factory=dict)
    """Their pictures."""


@dataclass(frozen=True)
class Bench:
    """Questions as they will be asked, and what could not be."""

    items: tuple[Item, ...]
    pictures: Mapping[str, bytes]
    data: str
    """What was read: names of files, or a name on the hub with revision and split."""
    aside: Mapping[str, str] = field(default_factory=dict)
    """Place of a row -> why it cannot be asked."""
    by: By = "writing"
    notes: tuple[str, ...] = ()
    """What a reader of the score should know of these rows."""
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What its answers are searched for, where that is data: name -> its forms."""
    longest: int = LONGEST
    """Tokens of a written answer."""

    @property
    def version(self) -> str:
        """Digest of every question, its pictures and its answer: equal where the rows are."""
        return fingerprint(
            [
                [each.id, [message_to_dict(m) for m in each.prompt], each.reference]
                + [picture.id for picture in each.pictures]
                for each in self.items
            ]
        )


Total: TypeAlias = Callable[[Sequence[Item], Sequence[str], int], Score | None]
"""(items, answers, seed) -> a score that is no ratio of sums."""


@dataclass(frozen=True)
class Benchmark:
    """A published set of questions: how it is read, scored, and scored elsewhere."""

    open: Callable[..., Bench]
    """(given, *, options) -> the questions."""
    checks: Mapping[str, Check]
    """Strict: what cannot be read is wrong, and stays in the denominator."""
    primary: str
    """The check that the table leads with, and that says whether pictures are used."""
    official: Callable[[Sequence[Item], Sequence[str]], dict[str, float]]
    """The published scorer's figures, by its own rules, its treatment of failures included."""
    rules: str
    """Whose scorer that is."""
    sentence: str
    totals: Mapping[str, Total] = field(default_factory=dict)
    prior: Callable[[Sequence[Item]], Sequence[str]] | None = None
    """What the words of the questions teach by themselves, an answer to each; None: nothing."""
    with_words: Callable[[Benchmark, Mapping[str, Sequence[str]]], Benchmark] | None = None
    """The same with the words of a bench, where its scores depend on them."""
    gate: Callable[[Mapping[str, Any]], list[str]] | None = None
    """What is missing of a claim that was fixed before; given a stage's scores by condition."""


def bench(
    rows: Places,
    item: Callable[[str, Mapping[str, Any]], Item],
    pictures: Mapping[str, bytes],
    *,
    data: str,
    by: By = "writing",
) -> Bench:
    """The rows as questions; those that `item` refuses by a `RowFault` are set aside.

    Raises:
        DataError: not one of them can be asked, or two have one id.
    """
    items: list[Item] = []
    aside: dict[str, str] = {}
    for place, row in rows:
        try:
            if isinstance(row, str):
                raise RowFault(row)
            items.append(item(place, row))
        except RowFault as fault:
            aside[place] = str(fault)
    if not items:
        why = next(iter(aside.values()), "it holds no rows")
        raise DataError(f"Nothing of {data} can be asked: {why} (the first of {len(aside)} rows).")
    twice = [id for id, count in Counter(each.id for each in items).items() if count > 1]
    if twice:
        raise DataError(
            f"{data}: {len(twice)} ids stand on several rows, {twice[0]!r} first. Name one split "
            "or one file of it, so that every question is asked once."
        )
    return Bench(tuple(items), pictures, data, aside, by)


def text_of(row: Mapping[str, Any], *names: str) -> str:
    """The first of these columns that holds something.

    Raises:
        RowFault: none does.
    """
    for name in names:
        value = row.get(name)
        if value is not None and str(value).strip() not in ("", "nan"):
            return str(value).strip()
    raise RowFault(f"it has no {names[0]}")


def kept(value: Any, pictures: PictureFiles, root: Path | None) -> Picture:
    """A row's picture, stored: bytes, {"bytes", "path"}, base64, or a file's name under `root`.

    Raises:
        RowFault: it cannot be used.
    """
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str):
        shown = picture_at(root, value) if root is not None else picture(_decoded(value))
    elif isinstance(value, bytes):
        shown = picture(value)
    else:
        raise RowFault("it has no picture")
    if isinstance(shown, str):
        raise RowFault(shown)
    return Picture(pictures.add(*shown))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RowFault("its picture is neither base64 nor, as no folder is named, a file") from None


def asked(text: str, count: int = 1) -> tuple[Message, ...]:
    """One user turn: the pictures, then the words."""
    return (user(*(IMAGE,) * count, f"\n{text}" if count else text),)


def with_options(question: str, options: Sequence[str], mark: str = "{}. {}") -> str:
    """The question, and under it a line for each option, "A. a boat"."""
    lines = [mark.format(letter, text) for letter, text in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines])


def each(
    score: Callable[[Item, str], Part], applies: Callable[[Item], bool] = lambda item: True
) -> Callable[[Sequence[Item], Sequence[str]], Parts]:
    """A scorer of single answers, where it applies.

    Where no item has a denominator (a precision of no claims), every item counts as a failure.
    """

    def scored(items: Sequence[Item], answers: Sequence[str]) -> Parts:
        parts = [
            score(item, answer) if applies(item) else None
            for item, answer in zip(items, answers, strict=True)
        ]
        if any(part.denominator for part in parts if part is not None):
            return parts
        return [None if part is None else Part(0.0) for part in parts]

    return scored


def accuracy(parsed: Callable[[Item, str], str | None]) -> dict[str, Check]:
    """The checks of a closed question: right answers, and answers that can be read."""
    return {
        "accuracy": Check(
            each(lambda item, answer: Part(parsed(item, answer) == item.reference)),
            "questions answered rightly; an answer that cannot be read is wrong",
        ),
        "parsed": Check(
            each(lambda item, answer: Part(parsed(item, answer) is not None)),
            "answers that can be read as one of the possible answers",
        ),
    }


def share(hits: Iterable[bool]) -> float:
    """Of a published scorer: hits over all, 0 of none."""
    counted = list(hits)
    return sum(counted) / len(counted) if counted else 0.0
