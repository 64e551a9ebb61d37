"""POPE built from any annotated set: questions about what is there, and about what is not.

For each picture its first objects are asked about, and for each of them something that is not in
it: any name at random; the most frequent name that is absent (popular); the one that most often
stands beside that very object and is absent here (adversarial). A name is asked once of a picture.

    a file     JSON lines: image (a file's name), objects (a list of names)
    no path    the run's own held-out pictures, where it is known what they show
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from haiga.errors import DataError
from haiga.evaluation.benchmarks.base import (
    SHORTLY,
    Bench,
    Benchmark,
    By,
    Given,
    asked,
    kept,
    text_of,
)
from haiga.evaluation.benchmarks.pope import CHECKS, POPE, SPLITS, macro_f1, mcc, official
from haiga.evaluation.benchmarks.rows import where
from haiga.evaluation.conditions import Item, item_from
from haiga.evaluation.hallucination import annotated
from haiga.records import Picture
from haiga.sources.conversations import RowFault
from haiga.text.article import with_article
from haiga.world.lexicon import lexicon

ASKS: Final = {
    "en": "Is there {} in the image?\n" + SHORTLY,
    "ja": "この絵に{}は見えますか。はいかいいえで答えてください。",
}
LABELS: Final = {"en": ("Yes", "No"), "ja": ("はい", "いいえ")}


class Annotated(NamedTuple):
    """A picture, and the names of what is in it, each once, in order."""

    id: str
    picture: Picture
    objects: tuple[str, ...]


def pope_built(
    given: Given,
    *,
    path: str = "",
    pictures: str = "",
    objects: int = 3,
    most: int = 500,
    by: By = "writing",
) -> Bench:
    """Questions about `objects` things of each of at most `most` pictures, and as many absent ones.

    Pictures with fewer objects are set aside, as in the published set.

    Raises:
        DataError: no picture is left, or the language has no words to ask in.
    """
    if given.language not in ASKS:
        raise DataError(f"POPE is asked in {', '.join(ASKS)}, and not in {given.language!r}.")
    aside: dict[str, str] = {}
    found = where(path, pictures=pictures) if path else None
    rows = list(_annotated(given, found, aside))
    enough = [row for row in rows if len(row.objects) >= objects]
    aside |= {row.id: f"fewer than {objects} objects" for row in rows if row not in enough}
    rng = np.random.default_rng([given.seed, 0x909E])
    drawn = sorted(rng.permutation(len(enough))[:most].tolist())
    items: list[Item] = []
    for row, questions in questions_of([enough[at] for at in drawn], objects, given.seed).items():
        if len(questions) < 2 * objects * len(SPLITS):
            aside[row.id] = "too few names are known that are not in it"
            continue
        items += [_item(row, at, *each, given) for at, each in enumerate(questions)]
    if not items:
        raise DataError(
            f"No picture of {found.data if found else 'the held-out set'} has {objects} known "
            "objects. Lower `objects`, or name annotations."
        )
    data = found.data if found else "the run's held-out pictures"
    seen = given.pictures if found else given.shown
    return Bench(tuple(items), seen, f"{data}, seed {given.seed}", aside, by)


def _annotated(given: Given, found: Any, aside: dict[str, str]) -> Iterator[Annotated]:
    """Pictures whose objects are known, from a file or from the run."""
    if found is None:
        seen: set[str] = set()
        for group in given.held_out:
            known = annotated(item_from(group))
            if len(group.pictures) == 1 and known and group.pictures[0].id not in seen:
                seen.add(group.pictures[0].id)
                yield Annotated(group.pictures[0].id, group.pictures[0], known)
        return
    for place, row in found.rows:
        try:
            if isinstance(row, str):
                raise RowFault(row)
            held = row.get("objects")
            if not isinstance(held, list) or not held:
                raise RowFault("it names no objects")
            names = dict.fromkeys(str(name).strip() for name in held)
            shown = kept(row.get("image"), given.pictures, found.root)
        except RowFault as fault:
            aside[place] = str(fault)
            continue
        id = row["image"] if isinstance(row.get("image"), str) else text_of(row, "image_id", "id")
        yield Annotated(str(id), shown, tuple(names))


def questions_of(
    rows: Sequence[Annotated], objects: int, seed: int
) -> dict[Annotated, list[tuple[str, str, bool]]]:
    """(split, name, whether it is there) of each picture: a thing that is, one that is not, …

    A picture for which too few names are absent has fewer questions than the others.
    """
    counts = Counter(name for row in rows for name in row.objects)
    by_frequency = sorted(counts, key=lambda name: (-counts[name], name))
    beside: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        for name in row.objects:
            beside[name].update(other for other in row.objects if other != name)
    found: dict[Annotated, list[tuple[str, str, bool]]] = {}
    for at, row in enumerate(rows):
        found[row] = []
        for which, split in enumerate(SPLITS):
            rng, used = np.random.default_rng([seed, at, which]), set(row.objects)
            at_random = [by_frequency[k] for k in rng.permutation(len(by_frequency))]
            for name in row.objects[:objects]:
                near = sorted(beside[name], key=lambda other: (-beside[name][other], other))
                orders: dict[str, list[str]] = {
                    "random": at_random,
                    "popular": by_frequency,
                    "adversarial": near,
                }
                absent = next((n for n in (*orders[split], *at_random) if n not in used), None)
                if absent is not None:
                    used.add(absent)
                    found[row] += [(split, name, True), (split, absent, False)]
    return found


def _item(row: Annotated, at: int, split: str, name: str, there: bool, given: Given) -> Item:
    yes, no = LABELS[given.language]
    return Item(
        id=f"{split}:{row.id}:{at}",
        prompt=asked(ASKS[given.language].format(_called(name, given.language))),
        pictures=(row.picture,),
        reference="yes" if there else "no",
        truth={"categories": [split], "candidates": [yes, no], "labels": ["yes", "no"]},
        language=given.language,
    )


def _called(name: str, language: str) -> str:
    """A thing's name in a question: the world's own word for its things, with an article."""
    words: Mapping[str, Sequence[str]] = lexicon(language, "things")
    called = words[name][0] if name in words else name
    return with_article(called) if language == "en" else called


POPE_BUILT: Final = Benchmark(
    open=pope_built,
    checks=CHECKS,
    primary="f1",
    official=official,
    rules=POPE.rules,
    sentence="Is there a … in the image? Built from annotations: half of the things are there, "
    "half are not.",
    totals={"macro_f1": macro_f1, "mcc": mcc},
    prior=POPE.prior,
    gate=POPE.gate,
)
