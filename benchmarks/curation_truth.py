"""What each filter catches, and what it costs, where it is known what was spoilt.

    python benchmarks/curation_truth.py world    prints of the floating world, by its fault maker
    python benchmarks/curation_truth.py unlike   photographs, noise, plots, scans: see unlike.py
    python benchmarks/curation_truth.py development   such pictures anew, for changing rules by

Each filter is asked alone, with its own default thresholds. `caught`: of the items spoilt in a way
that it is meant for, the share that it drops, with Wilson's interval. `right`: of all it drops,
the share that nobody would use, whatever spoilt it. `sound lost`: of the sound items, those that it
drops.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import Random

import numpy as np

from haiga.curation import captions, close, duplicates, fine, pictures
from haiga.statistics.intervals import wilson
from haiga.world import faults
from haiga.world.poets import POETS
from haiga.world.printer import print_file
from haiga.world.scenes import scene

SEED, PRINTS, SHARE, HAMMING, FINE = 2026, 1600, 0.6, 8, 48
LANGUAGES = ("en", "ja")
PICTURES: Mapping[str, frozenset[str]] = {
    "decodes": frozenset({"corrupt", "bomb"}),
    "side": frozenset({"tiny"}),
    "aspect": frozenset({"extreme_aspect"}),
    "blank": frozenset({"blank"}),
    "blur": frozenset({"blurred"}),
    "logo": frozenset({"logo"}),
    "icon": frozenset({"icon"}),
    "spacer": frozenset({"spacer"}),
    "banner": frozenset({"banner"}),
    "still": frozenset({"animated"}),
}
"""Filter -> the faults that it is meant for."""
TEXTS: Mapping[str, frozenset[str]] = {
    "words": frozenset({"short"}),
    "plain": frozenset({"junk_caption", "path"}),
    "special": frozenset({"odd_characters"}),
    "repetition": frozenset({"repeated"}),
    "language": frozenset({"foreign"}),
}
BENIGN = faults.BENIGN - {"near_duplicate"}
SHOWN = BENIGN | {"", "animated", "blurred"}
"""Of what is so, a near-duplicate shows the same."""


@dataclass(frozen=True)
class Item:
    """What was measured of one picture, and what was done to it."""

    fault: str
    """Empty where it is sound."""
    of: int
    """The item that it repeats; itself where it repeats none."""
    values: Mapping[str, object]
    told: str = ""
    """What it shows, in a word."""


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    filter: str
    meant: int
    caught: int
    dropped: int
    right: int
    sound: int
    lost: int

    def __str__(self) -> str:
        of = wilson(self.caught, self.meant) if self.meant else None
        caught = f"{of.mean:.3f} [{of.low:.3f}, {of.high:.3f}]" if of else "-"
        right = f"{self.right / self.dropped:.3f}" if self.dropped else "-"
        return (
            f"| {self.filter} | {self.caught} of {self.meant} | {caught} | {right} "
            f"({self.right} of {self.dropped}) | {self.lost} of {self.sound} |"
        )


HEAD = "| filter | caught | share, 95 % | right | sound lost |\n|---|---|---|---|---|"


def measured(data: bytes) -> dict[str, object]:
    return {**pictures.measure(data), **close.measure(data), **fine.measure(data)}


def world_item(index: int) -> Item:
    kinds = [*faults.FAULTS]
    fault = faults.choose(SEED, index, SHARE, kinds)
    origin = index - 1 if fault == "near_duplicate" and index else index
    data, suffix = print_file(scene(SEED, origin), SEED)
    if fault:
        data, suffix = faults.spoil(fault, data, suffix, SEED, index)
    return Item(fault or "", origin, measured(data))


def world_items() -> list[Item]:
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(world_item, range(PRINTS), chunksize=32))


def row(name: str, meant: frozenset[str], items: Iterable[tuple[str, bool]]) -> Row:
    """Of (fault, dropped) of every item."""
    counts: Counter[str] = Counter()
    for fault, dropped in items:
        sound = not fault or fault in BENIGN
        counts["meant"] += fault in meant
        counts["caught"] += fault in meant and dropped
        counts["dropped"] += dropped
        counts["right"] += dropped and not sound
        counts["sound"] += sound
        counts["lost"] += dropped and sound
    return Row(
        name, *(counts[key] for key in ("meant", "caught", "dropped", "right", "sound", "lost"))
    )


def picture_rows(items: Sequence[Item]) -> list[Row]:
    rows = []
    for name, meant in PICTURES.items():
        asked = ((each.fault, _drops(name, each.values)) for each in items)
        rows.append(row(name, meant, asked))
    return rows


def _drops(name: str, values: Mapping[str, object]) -> bool:
    """Whether a rule alone drops a picture; what cannot be decoded has nothing to be judged by."""
    if name == "decodes" or "error" in values:
        return "error" in values and name == "decodes"
    return bool(pictures.RULES[name](values))


def duplicate_rows(items: Sequence[Item]) -> list[Row]:
    """Duplicates among what all other filters leave standing, by one hash and by both."""
    rules = [name for name in PICTURES if name not in ("decodes", "still")]
    standing = [
        (at, each) for at, each in enumerate(items)
        if "error" not in each.values and not any(_drops(name, each.values) for name in rules)
    ]  # fmt: skip
    there = {at for at, _ in standing}
    rows = []
    hashes = [[f"{each.values['phash']}{each.values['fine']}"] for _, each in standing]
    for distance, finer in ((2, None), (HAMMING, None), (HAMMING, FINE)):
        twins, _ = duplicates.find(hashes, distance, finer)
        told = []
        for (at, each), twin in zip(standing, twins, strict=True):
            repeats = each.of != at and each.of in there and items[each.of].fault in SHOWN
            told.append(("near_duplicate" if repeats else "", twin >= 0))
        name = f"duplicates, {distance} bits{f', {finer} of 256' if finer else ''}"
        rows.append(row(name, frozenset({"near_duplicate"}), told))
    return rows


def text_rows(language: str, poet: str) -> list[Row]:
    """Rules for texts on captions and poems, each fault equally often."""
    told: list[tuple[str, str]] = []
    kinds = ["", *faults.TEXT_FAULTS]
    for index in range(PRINTS):
        text = POETS[poet](scene(SEED, index), language, np.random.default_rng((SEED, index)))
        fault = kinds[index % (2 * len(kinds))] if index % (2 * len(kinds)) < len(kinds) else ""
        if fault:
            text = faults.TEXT_FAULTS[fault](text, Random(index))
        told.append((fault, text))
    rows = []
    for name, meant in TEXTS.items():
        rule = captions.RULES[name]
        dropped = ((fault, bool(captions.ask(rule, text, language))) for fault, text in told)
        rows.append(row(f"{name} ({language}, {poet})", meant, dropped))
    return rows


def missed(items: Sequence[Item]) -> str:
    """What no filter for pictures drops, of what is spoilt."""
    left = Counter(
        each.fault for each in items
        if each.fault and each.fault not in faults.BENIGN
        and not any(_drops(name, each.values) for name in PICTURES)
    )  # fmt: skip
    every = Counter(each.fault for each in items)
    return ", ".join(f"{name} {count} of {every[name]}" for name, count in left.most_common())


def by_kind(items: Sequence[Item]) -> Iterator[str]:
    """For each filter what it misses, and which sound pictures it loses, by what they show."""
    for name, meant in PICTURES.items():
        sound = [each for each in items if not each.fault or each.fault in BENIGN]
        spoilt = [each for each in items if each.fault in meant]
        for verb, among, wrong in (("misses", spoilt, False), ("loses", sound, True)):
            every = Counter(each.told for each in among)
            found = Counter(each.told for each in among if _drops(name, each.values) is wrong)
            if found:
                kinds = "; ".join(f"{kind}: {found[kind]} of {every[kind]}" for kind in found)
                yield f"{name} {verb} {kinds}"
    copies = [each for each in items if each.fault == "near_duplicate" and "phash" in each.values]
    far = Counter(each.told.split(", ")[-1] for each in copies if _apart(each, items) > HAMMING)
    yield f"over {HAMMING} bits from what they repeat: {dict(far)}"


def _apart(copy: Item, items: Sequence[Item]) -> int:
    one, other = (int(str(each.values["phash"]), 16) for each in (copy, items[copy.of]))
    return (one ^ other).bit_count()


def unlike_items(first: int = 0) -> list[Item]:
    import unlike

    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(partial(unlike_item, first), range(unlike.COUNT), chunksize=16))


def unlike_item(first: int, at: int) -> Item:
    import unlike

    data, fault, of = unlike.item(first + at)
    return Item(fault, of - first, measured(data), unlike.told(first + at))


def development_items() -> list[Item]:
    import unlike

    return unlike_items(unlike.DEVELOPMENT)


SETS = {"world": world_items, "unlike": unlike_items, "development": development_items}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", choices=SETS)
    which = parser.parse_args().set
    items = SETS[which]()
    sound = sum(not each.fault or each.fault in BENIGN for each in items)
    print(f"{len(items)} pictures, {sound} of them sound\n\n{HEAD}")
    for each in (*picture_rows(items), *duplicate_rows(items)):
        print(each)
    print(f"\nMissed by all: {missed(items) or 'nothing'}")
    if which != "world":
        print("", *by_kind(items), sep="\n")
    if which == "world":
        print(f"\n{HEAD}")
        for language in LANGUAGES:
            for poet in ("describe", "haiku"):
                for each in text_rows(language, poet):
                    print(each)


if __name__ == "__main__":
    main()
