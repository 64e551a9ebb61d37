"""CHAIR (Rohrbach et al. 2018): the objects that a description names and that are not there.

    mscoco_chair   image, question_id, gt_object (a list of category names)
    our own        JSON lines: image (a file's name), objects

`synonyms` is a file in the published form, a line for each object and its words, commas between;
haiga's own for the 80 categories of COCO stands where none is named. It is written anew, so that
figures by the published `data/synonyms.txt` need that file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from haiga.errors import DataError
from haiga.evaluation import hallucination
from haiga.evaluation.benchmarks.base import Bench, Benchmark, Given, asked, bench, kept, share
from haiga.evaluation.benchmarks.base import each as each_answer
from haiga.evaluation.benchmarks.rows import where
from haiga.evaluation.checks import Check
from haiga.evaluation.conditions import Item
from haiga.sources.conversations import RowFault
from haiga.text.plurals import plurals, singular

ASK: Final = "Please describe this image in detail."
LONG: Final = 256
"""Tokens of a description; the published prompt allows more than anybody writes."""
# Words before an animal or a vehicle that make no person of it, and pairs that are one word.
_ANIMALS: Final = ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra",
                   "giraffe", "animal", "cub")  # fmt: skip
_PAIRS: Final = (
    "motor bike", "motor cycle", "air plane", "traffic light", "street light", "traffic signal",
    "stop light", "fire hydrant", "stop sign", "parking meter", "suit case", "sports ball",
    "baseball bat", "baseball glove", "tennis racket", "wine glass", "hot dog", "cell phone",
    "mobile phone", "teddy bear", "hair drier", "potted plant", "bow tie", "laptop computer",
    "home plate", "train track",
)  # fmt: skip
MERGED: Final = (
    {pair: pair for pair in _PAIRS}
    | {f"{age} {animal}": animal for animal in _ANIMALS for age in ("baby", "adult")}
    | {f"passenger {vehicle}": vehicle for vehicle in ("jet", "train")}
    | {"bow tie": "tie", "toilet seat": "toilet", "wine glas": "wine glass"}
)


def chair(
    given: Given, *, path: str, split: str = "", pictures: str = "", synonyms: str = ""
) -> Bench:
    """Pictures to be described, whose objects are annotated."""
    words = table(Path(synonyms) if synonyms else None)
    found = where(path, split=split, pictures=pictures)
    read = partial(_item, given=given, root=found.root, words=words)
    made = bench(found.rows, read, given.pictures, data=found.data)
    return replace(made, words=words, longest=LONG)


def table(path: Path | None) -> dict[str, list[str]]:
    """Object -> its words, itself first, as the file has them.

    Raises:
        DataError: the file cannot be read, or names nothing.
    """
    try:
        held = path or files(__package__).joinpath("data/coco_objects.txt")
        lines = held.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The table of synonyms {path} cannot be read: {error}.") from error
    rows = [line.strip().split(", ") for line in lines if line.strip()]
    if not rows:
        raise DataError(f"The table of synonyms {path} is empty: a line for each object.")
    return {row[0]: row for row in rows}


def _item(
    place: str,
    row: Mapping[str, Any],
    *,
    given: Given,
    root: Path | None,
    words: Mapping[str, Sequence[str]],
) -> Item:
    held = row.get("gt_object") or row.get("objects")
    if not isinstance(held, list) or not held:
        raise RowFault("it names no objects")
    known = {form: name for name, forms in words.items() for form in forms}
    names = [str(each).strip().lower() for each in held]
    if not set(names) & set(known):
        raise RowFault("none of its objects is in the table of synonyms")
    return Item(
        id=str(row.get("question_id") or place),
        prompt=asked(ASK),
        pictures=(kept(row.get("image"), given.pictures, root),),
        truth={"objects": sorted({known.get(name, name) for name in names})},
        task="describe",
    )


def checks(words: Mapping[str, Sequence[str]]) -> dict[str, Check]:
    """Strict: a description that names nothing counts as one false mention.

    A form stands in singular and plural; of two that overlap the longer counts, so that a hot dog
    is no dog and a toilet seat no seat.
    """
    forms = {
        name: [each for form in own for each in plurals(" ".join(form.split()))]
        for name, own in words.items()
    }

    def part(item: Item, answer: str, *, of: Any) -> Any:
        return of(item, hallucination.every(_unmade(answer), forms))

    return {
        name: Check(each_answer(partial(part, of=of)), sentence)
        for name, of, sentence in (
            ("precision", hallucination.precision, "of the mentions, those that are there"),
            ("chair_i", hallucination.false_mentions, "of the mentions, those that are not there "
             "(low is good); naming nothing counts as one"),
            ("chair_s", hallucination.false_answers, "descriptions with a false mention, or none "
             "at all (low is good)"),
            ("recall", hallucination.recall, "of the objects that are there, those named"),
        )
    }  # fmt: skip


def _unmade(text: str) -> str:
    """The text without words that qualify another: a baby elephant is no baby."""
    animals = "|".join(_ANIMALS)
    text = re.sub(rf"\b(?:baby|adult) (?=(?:{animals})s?\b)", "", text, flags=re.IGNORECASE)
    text = re.sub(r"\bpassenger (?=(?:jet|train)s?\b)", "", text, flags=re.IGNORECASE)
    return re.sub(r"\btoilet seat", "toilet", text, flags=re.IGNORECASE)


def official(
    items: Sequence[Item], answers: Sequence[str], words: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    """As `chair.py` has it, with our own singulars in place of pattern.en's, which is Python 2.

    Its division by no mention at all, which is an error there, is 0 here.
    """
    node = {form: name for name, forms in words.items() for form in forms}
    said = [[node[w] for w in _words(answer) if w in node] for answer in answers]
    false = [
        sum(name not in item.truth["objects"] for name in names)
        for item, names in zip(items, said, strict=True)
    ]
    mentions = sum(map(len, said))
    return {
        "chair_i": sum(false) / mentions if mentions else 0.0,
        "chair_s": share(count > 0 for count in false),
    }


_APART: Final = r",;:!?\"'()\[\]{}<>@#$%&*`\u2026\u201c\u201d\u2018\u2019"
_IN_WORDS: Final = rf"[^\s.\-{_APART}]"
_TOKEN: Final = re.compile(rf"(?:{_IN_WORDS}|\.(?={_IN_WORDS})|(?<!-)-(?!-))+|--|[.\-{_APART}]")
"""As nltk takes English apart: what it leaves together, "cat/dog", is no object there."""


def _words(answer: str) -> list[str]:
    """Its words in singular, pairs that are one word as one."""
    single = [singular(word) for word in _TOKEN.findall(answer.lower())]
    merged: list[str] = []
    at = 0
    while at < len(single):
        pair = " ".join(single[at : at + 2])
        merged.append(MERGED.get(pair, single[at]))
        at += 2 if pair in MERGED else 1
    return [word for word in merged if word != "seat"] if "toilet" in merged else merged


def _with_words(benchmark: Benchmark, words: Mapping[str, Sequence[str]]) -> Benchmark:
    return replace(benchmark, checks=checks(words), official=partial(official, words=words))


CHAIR: Final = Benchmark(
    open=chair,
    checks=checks(table(None)),
    primary="precision",
    official=partial(official, words=table(None)),
    rules="chair.py of LisaAnne/Hallucination, where silence is faultless",
    sentence="Describe this image in detail, and name nothing that is not there.",
    with_words=_with_words,
)
