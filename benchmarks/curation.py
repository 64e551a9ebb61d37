"""How fast curation is on one core, against its goals, and other libraries beside it.

    python benchmarks/curation.py
    python benchmarks/curation.py --peers ENVIRONMENT/bin/python   # of ImageHash and CleanVision

Pictures are JPEGs of 1024 x 768 in their files; texts are captions of 6 to 16 words; hashes have
half of their bits set, and one in ten is a copy with up to 8 bits changed. Rates are of processor
seconds, all threads and processes together, so that a machine with other work gives the same; of
several rounds the fastest counts, and rounds of different work take turns. Two threads are the
exception: they are timed by the wall, and mean nothing on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from curation_run import held, picture, saved

from haiga.curation import captions, close, concepts, duplicates, hamming, pictures
from haiga.curation.engines import ENGINES
from haiga.curation.measurements import measured
from haiga.store import PictureFiles, digest

SAID = (
    "a an the soft field of colour with four discs sheet number wooden bridge over river in winter "
    "snow old man walks under umbrella red temple gate near mount fuji evening light boat fishermen"
)
WORDS = SAID.split()
ENTRIES = 300_000
"""Entries of the list of concepts, of MetaCLIP's order."""


class Line(NamedTuple):
    what: str
    rate: float
    """Of pictures, texts or hashes, a second of one core."""
    goal: float | None = None
    unit: str = "/s"


def processor() -> float:
    """Processor seconds of this process and of those that it has seen end."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def fastest(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Processor seconds of each work, the best of its rounds; works take turns."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            began = processor()
            work()
            best[name] = min(best[name], processor() - began)
    return best


def of_pictures(folder: Path, count: int, rounds: int) -> list[Line]:
    paths = []
    for at in range(count):
        paths.append(folder / f"{at:05d}.jpg")
        rng = np.random.default_rng(at)
        paths[-1].write_bytes(saved(picture(rng, 768), "JPEG", quality=int(rng.integers(82, 94))))

    def known(path: Path) -> None:
        data = path.read_bytes()
        digest(data)
        pictures.measure(data)

    def close_up(path: Path) -> None:
        close.measure(path.read_bytes())

    files = PictureFiles(folder / "run")
    ids = [files.add(path.read_bytes(), ".jpg") for path in paths]
    tries = iter(range(1000))

    def engine(some: list[str]) -> None:
        where = folder / f"measured-{next(tries)}"
        one = partial(ENGINES["local"], workers=1)
        measured(where, "t/1", some, folder / "run", f"{pictures.__name__}:measure", engine=one)

    took = fastest(
        {
            "known": lambda: list(map(known, paths)),
            "alone": lambda: [pictures.measure(files[id_]) for id_ in ids],
            "close": lambda: list(map(close_up, paths)),
            "engine": lambda: engine(ids),
            "start": lambda: engine(ids[:1]),
        },
        rounds,
    )
    marginal = (took["engine"] - took["start"]) / (took["alone"] * (1 - 1 / count))
    return [
        Line("file, digest, header, decoding, pHash", count / took["known"], 900),
        Line("a closer look (blur, logo, icon, …)", count / took["close"]),
        Line("two threads against one, by the wall", threads(known, paths), 1.9, "times"),
        Line("engine: its processor time against a plain loop's", marginal, 1.1, "times"),
        Line("engine: start of a process", took["start"], None, "s"),
    ]


def threads(work: Callable[[Path], None], paths: list[Path]) -> float:
    """How many times as fast two threads are, the best of three rounds each."""
    best = {}
    for count in (1, 2) * 3:
        with ThreadPoolExecutor(count) as pool:
            began = time.monotonic()
            list(pool.map(work, paths))
            best[count] = min(best.get(count, float("inf")), time.monotonic() - began)
    return best[1] / best[2]


def of_hashes(number: int) -> list[Line]:
    rng = np.random.default_rng(0)
    order = rng.random((number, 64), dtype=np.float32).argsort(axis=1) < 32
    hashes = np.packbits(order, axis=1).view(">u8")[:, 0].astype(np.uint64)
    copies = number // 10
    for _ in range(8):  # a bit twice is none: up to eight
        flips = np.uint64(1) << rng.integers(0, 64, copies).astype(np.uint64)
        hashes[-copies:] = (hashes[-copies:] if _ else hashes[:copies]) ^ flips
    del order
    Path("/proc/self/clear_refs").write_text("5")  # forget what was the most so far
    before, began = held(os.getpid(), "VmRSS"), processor()
    pairs = hamming.near_pairs(hashes, 8)
    took = processor() - began
    room = (held(os.getpid(), "VmHWM") - before) * 1024**2 / number
    rows = [[f"{value:016x}"] for value in hashes[: number // 10].tolist()]
    began = processor()
    duplicates.find(rows, 8)
    whole = processor() - began
    return [
        Line(f"near-duplicates among {number:,} hashes ({len(pairs):,} pairs)", took, 12, "s"),
        Line("near-duplicates: memory for each hash beside its own 8 bytes", room, None, "bytes"),
        Line(f"rows that repeat others, among {len(rows):,}", whole, None, "s"),
    ]


def of_texts(number: int, rounds: int) -> list[Line]:
    rng = random.Random(0)
    texts = [
        " ".join(rng.choice(WORDS) for _ in range(rng.randint(6, 16))).capitalize() + "."
        for _ in range(number)
    ]
    rules = [captions.words, captions.plain]
    names = tuple(
        f"{rng.choice(WORDS)} {rng.choice(WORDS)} {at}" if at > len(WORDS) else WORDS[at - 1]
        for at in range(1, ENTRIES + 1)
    )
    fewer = texts[: number // 10]
    seeing = concepts.Seeing(lambda name: None, {}, 0)  # type: ignore[arg-type, return-value]
    list_of = partial(concepts.from_list, [], seeing=seeing, names=names)
    took = fastest(
        {
            "rules": lambda: [captions.fault(text, "en", rules) for text in texts],
            "words": lambda: [captions.words(text, "en") for text in texts],
            "plain": lambda: [captions.plain(text, "en") for text in texts],
            "special": lambda: [captions.special(text, "en") for text in texts],
            "repetition": lambda: [captions.repetition(text, "en") for text in texts],
            "language": lambda: [captions.language(text, "en") for text in fewer],
            "list": lambda: list_of(texts=[]),
            "concepts": lambda: list_of(texts=texts),
        },
        rounds,
    )
    return [
        Line("texts: words and plain", number / took["rules"], 700_000),
        *(
            Line(f"texts: {name}", number / took[name])
            for name in ("plain", "special", "repetition")
        ),
        Line("texts: language", len(fewer) / took["language"], 15_000),
        Line(f"texts: concepts of {ENTRIES:,}", number / (took["concepts"] - took["list"]), 90_000),
    ]


def shown(line: Line) -> str:
    fewer = line.unit in ("s",) or line.what.startswith("engine")
    reached = "" if line.goal is None else "yes" if (line.rate <= line.goal) == fewer else "no"
    number = f"{line.rate:,.0f}" if line.rate >= 100 else f"{line.rate:.2f}"
    goal = "" if line.goal is None else f"{'≤' if fewer else '≥'} {line.goal:,g}"
    return f"| {line.what} | {number} {line.unit} | {goal} | {reached} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="a Python with ImageHash and CleanVision")
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--hashes", type=int, default=1_000_000)
    parser.add_argument("--texts", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=4)
    given = parser.parse_args()
    print("| on one core | rate | goal | reached |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        lines = of_pictures(Path(name), given.pictures, given.rounds)
        print("\n".join(map(shown, lines)), flush=True)
        print("\n".join(map(shown, of_texts(given.texts, given.rounds))), flush=True)
        print("\n".join(map(shown, of_hashes(given.hashes))), flush=True)
        if given.peers:
            script = Path(__file__).with_name("curation_peers.py")
            out = subprocess.check_output(
                [given.peers, str(script), name], stderr=subprocess.DEVNULL
            )
            print("\n| beside it, pictures a second and core | | haiga's, times |\n|---|---|---|")
            for peer, seconds in json.loads(out).items():
                print(f"| {peer} | {1 / seconds:,.0f} | {lines[0].rate * seconds:.1f} |")


if __name__ == "__main__":
    main()
