"""What a judge is asked: a text about a picture on three axes, or which of two is better.

The picture comes first. Who wrote a text is not said, its markup is taken off, it stands between
marks that it cannot hold, and what it says to its judge is data. Form is counted by a program and
told as a fact. The words are English, whatever language the texts are in.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from PIL import Image

from haiga.errors import DataError
from haiga.evaluation.conditions import GREY, Item
from haiga.models.pictures import open_picture
from haiga.store.files import fingerprint
from haiga.teachers.client import Request
from haiga.teachers.exchanges.words import filled
from haiga.teachers.structured import Record, asking_for
from haiga.text.haiku import JUDGES
from haiga.text.haiku import form as haiku_form
from haiga.text.readable import readable

Points: TypeAlias = Literal[1, 2, 3, 4, 5]
AXES: Final = ("grounding", "style", "craft")
"""What a judge scores from 1 to 5; the fourth axis, form, is counted."""
LOWEST, HIGHEST = 1, 5
LONGEST: Final = 1500
"""Characters of a text that a judge reads."""
_HERE: Final = Path(__file__).parent
RUBRIC, POINTWISE, PAIRWISE = (
    (_HERE / f"{name}.txt").read_text(encoding="utf-8").strip()
    for name in ("rubric", "pointwise", "pairwise")
)
VERSION: Final = fingerprint([RUBRIC, POINTWISE, PAIRWISE])
"""Of what a judge is asked; judgements by other words are others."""
_MARKUP: Final = re.compile(
    r"```\w*|^[ \t]*(?:#{1,6}|>)[ \t]+|[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}", re.M
)


class Rating(Record):
    """One look at one text; what is seen stands first, so that it is written first."""

    evidence: list[str]
    grounding: Points
    style: Points
    craft: Points
    flags: list[Literal["orders", "repeats", "language"]]


class Better(Record):
    """One look at two texts."""

    evidence: list[str]
    better: Literal["first", "second", "equal"]


@dataclass(frozen=True, slots=True)
class Question:
    """What a judge is asked once."""

    key: str
    """Of all that it depends on: the judge, the words, the picture, the texts and the repeat."""
    request: Request
    kind: type[Record]


@dataclass(frozen=True)
class Bench:
    """The judge and the pictures, as every question needs them."""

    made_of: Mapping[str, Any]
    """The judge's name, model and parameters."""
    pictures: Mapping[str, bytes]


def rate(bench: Bench, item: Item, text: str, repeat: int = 0) -> Question:
    """How good is `text` about the picture of `item`? Repeats are told apart by their number."""
    words = POINTWISE.replace("[form]", form_fact(item, text))
    prompt = filled(words, asked=asked_of(item), text=plain(text))
    return _question(bench, item, prompt, Rating, repeat)


def compare(bench: Bench, item: Item, first: str, second: str) -> Question:
    """Which of two texts about the picture of `item` is better, in this order?"""
    words = PAIRWISE.replace("[form]", form_fact(item, first))
    words = words.replace("[other]", form_fact(item, second))
    prompt = filled(words, asked=asked_of(item), first=plain(first), second=plain(second))
    return _question(bench, item, prompt, Better, 0)


def form_fact(item: Item, text: str) -> str:
    """What a program counts of a text's form."""
    if not has_form(item):
        return f"{len(text.split())} words; no form was asked for"
    kept, lines = _form(text, item.language)
    return f"5-7-5 {'kept' if kept else 'not kept'}, {lines} lines"


def has_form(item: Item) -> bool:
    """Whether the task has a form that can be counted in this language."""
    return item.task == "haiku" and item.language in JUDGES


def form_points(item: Item, text: str) -> int | None:
    """5 where the form is surely kept, else 1; None where there is none."""
    if not has_form(item):
        return None
    return HIGHEST if _form(text, item.language)[0] else LOWEST


@lru_cache(maxsize=1 << 14)
def _form(text: str, language: str) -> tuple[bool, int]:
    """Whether the form is surely kept, and in how many lines; asked of each text several times."""
    found = haiku_form(text, language)
    return found.verdict == "pass", len(found.lines)


def is_answer(item: Item, text: str) -> bool:
    """Whether there is something to judge; see `text.readable`."""
    return _readable(text, item.task, item.language)


_readable = lru_cache(maxsize=1 << 14)(readable)


def plain(text: str) -> str:
    """A text without markup, which would tell its writer, and no longer than a judge reads."""
    lines = (line.strip() for line in _MARKUP.sub("", text).splitlines())
    return unicodedata.normalize("NFC", "\n".join(lines).strip())[:LONGEST]


def asked_of(item: Item) -> str:
    """What the writer was asked, without the picture."""
    turns = [message.text.strip() for message in item.prompt if message.role == "user"]
    return "\n".join(turns)


def _question(bench: Bench, item: Item, prompt: str, kind: type[Record], repeat: int) -> Question:
    if not item.pictures:
        raise DataError(f"Item {item.id} shows no picture, and a judge must see what a text is on.")
    data = (bench.pictures[picture.id] for picture in item.pictures)
    shown = tuple(map(_grey, data) if item.grey else data)
    # A judge of the floating world knows what the picture shows that it is shown, and no other.
    truth = {} if item.grey else item.truth
    request = Request(
        f"{item.task}.judge", prompt, item.language, shown, repeat, truth, RUBRIC, row=item.id
    )
    seen = [item.grey, *(picture.id for picture in item.pictures)]
    key = fingerprint([dict(bench.made_of), VERSION, kind.__name__, prompt, seen, repeat])
    return Question(key, asking_for(request, kind), kind)


@lru_cache(maxsize=64)
def _grey(data: bytes) -> bytes:
    """A file of uniform grey, of a picture's own size."""
    buffer = io.BytesIO()
    Image.new("RGB", open_picture(data).size, GREY).save(buffer, "PNG")
    return buffer.getvalue()
