"""`haiga curate` on a folder of mixed files with planted faults: time, memory, what it finds.

    python benchmarks/curation_run.py --files 5000
    python benchmarks/curation_run.py --files 100000 --side 64

The folder is made first: noise that no other file comes near, mostly JPEG and else PNG, WebP, GIF,
TIFF, 16 bits, CMYK, palettes, with a caption beside each; one file in eight is spoilt in one of the
ways of `FAULTS`. Then `haiga curate` runs three times: on everything, with one threshold changed,
and with a hundred files more.

Seconds are of the wall, with those that the process and its workers computed beside them; memory is
what all of them hold together (VmRSS, four times a second), and the main one's most (VmHWM).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from haiga.pipeline.run import DATA
from haiga.store import Folder
from haiga.world import faults

SHARE = 8
"""One file in so many is spoilt."""
SIDES = {"side": 0.4, "aspect": 3.0}
RECIPE = """
name = "mixed"
language = "en"
[source]
name = "folder"
path = {folder}
[curate]
pictures = [{{ name = "side", minimum = {minimum} }}, {{ name = "aspect" }}, {{ name = "blank" }}]
captions = [{{ name = "words" }}, {{ name = "plain" }}]
[split]
held_out = 32
validation = 16
[model]
tower = "world:tower"
language_model = "world:language"
image_token = "<|image_pad|>"
"""


def picture(rng: np.random.Generator, side: int) -> Image.Image:
    """Soft noise at three scales and a few shapes, 4:3."""
    width, height = side * 4 // 3, side
    layers = np.zeros((height, width, 3), dtype=np.float32)
    for grid, strength in ((6, 0.6), (24, 0.3), (96, 0.1)):
        noise = rng.integers(0, 256, (grid * 3 // 4, grid, 3), dtype=np.uint8)
        grown = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        layers += strength * np.asarray(grown, dtype=np.float32)
    image = Image.fromarray(layers.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        x, y = rng.integers(0, width), rng.integers(0, height)
        r = int(rng.integers(side // 16 + 1, side // 5))
        draw.ellipse(
            (x - r, y - r, x + r, y + r), fill=tuple(int(v) for v in rng.integers(0, 256, 3))
        )
    return image


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


FORMS: dict[str, tuple[str, Callable[[Image.Image], bytes]]] = {
    "png": (".png", lambda image: saved(image, "PNG", compress_level=1)),
    "webp": (".webp", lambda image: saved(image, "WEBP", quality=80, method=0)),
    "gif": (".gif", lambda image: saved(image.quantize(64), "GIF")),
    "animated": (
        ".gif",
        lambda image: saved(
            image.quantize(32), "GIF", save_all=True, append_images=[image.rotate(180)]
        ),
    ),
    "tiff": (".tif", lambda image: saved(image, "TIFF")),
    "sixteen": (
        ".png",
        lambda image: saved(
            Image.fromarray(np.asarray(image.convert("L"), dtype=np.uint16) * 257), "PNG"
        ),
    ),
    "cmyk": (".jpg", lambda image: saved(image.convert("CMYK"), "JPEG", quality=90)),
    "palette": (".png", lambda image: saved(image.quantize(128), "PNG", compress_level=1)),
    "alpha": (".png", lambda image: saved(image.convert("RGBA"), "PNG", compress_level=1)),
    "progressive": (".jpg", lambda image: saved(image, "JPEG", quality=88, progressive=True)),
}


def bomb() -> bytes:
    """A PNG of 30,000 x 30,000 white pixels in some kilobytes."""
    side = 30_000
    row = zlib.compressobj(9)
    data = b"".join(row.compress(b"\0" + b"\xff" * (side // 8)) for _ in range(side)) + row.flush()

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    magic = b"\x89PNG\r\n\x1a\n"
    return magic + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


FAULTS = (*faults.FAULTS, "junk_caption", "no_caption", "empty_file", "no_picture", "copy", "bomb")
"""What a file is spoilt by; those of the floating world, and what a folder adds."""


def kind_of(at: int) -> str:
    """What file number `at` is: its fault, or its form."""
    if at % SHARE == SHARE - 1:
        return FAULTS[at // SHARE % len(FAULTS)]
    return list(FORMS)[at // 5 % len(FORMS)] if at % 5 == 0 else "jpeg"


def write(folder: Path, at: int, side: int, bombs: bytes) -> None:
    """File number `at` with its caption."""
    rng = np.random.default_rng(at)
    fault = kind_of(at)
    data, suffix = saved(picture(rng, side), "JPEG", quality=int(rng.integers(82, 94))), ".jpg"
    if fault in FORMS:
        suffix, make = FORMS[fault]
        data = make(picture(rng, side))
    if fault in ("near_duplicate", "copy"):  # of the file before it
        before = np.random.default_rng(at - 1)
        data = saved(picture(before, side), "JPEG", quality=int(before.integers(82, 94)))
    if fault in faults.FAULTS:
        data, suffix = faults.spoil(fault, data, suffix, 0, at)
    data = {"empty_file": b"", "no_picture": b"<html>404 not found</html>", "bomb": bombs}.get(
        fault, data
    )
    name = folder / f"{at // 1000:03d}" / f"{at:07d}"
    name.parent.mkdir(parents=True, exist_ok=True)
    name.with_suffix(".png" if fault == "bomb" else suffix).write_bytes(data)
    caption = f"a soft field of colour with four discs, sheet number {at}"
    if fault == "junk_caption":
        caption = f"IMG_{at:04d}.JPG"
    if fault != "no_caption":
        name.with_suffix(".txt").write_text(caption)


class Measured(NamedTuple):
    seconds: float
    computed: float
    together: float
    """Most MB that all processes held at once."""
    main: float
    said: str


def curate(words: list[str]) -> Measured:
    """Run `haiga curate` and watch it."""
    began = time.monotonic()
    before = os.times()
    process = subprocess.Popen(
        [sys.executable, "-m", "haiga", "curate", *words], stdout=subprocess.PIPE, text=True
    )
    together = main = 0.0
    while process.poll() is None:
        family = [process.pid, *children(process.pid)]
        together = max(together, sum(held(pid, "VmRSS") for pid in family))
        main = max(main, held(process.pid, "VmHWM"))
        time.sleep(0.25)
    seconds, after = time.monotonic() - began, os.times()
    computed = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    assert process.stdout
    if process.returncode:
        raise SystemExit(process.returncode)
    return Measured(seconds, computed, together, main, process.stdout.read())


def children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def held(pid: int, name: str) -> float:
    """A process's memory in MB; 0 for one that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)


def table(run: Path, truth: dict[str, str]) -> None:
    """What became of the files of each kind: how many, and under which reasons they left."""
    left: dict[str, Counter[str]] = {}
    gone: Counter[str] = Counter()
    for stage in ("00_raw", "01_filtered", "02_captioned"):
        for row in Folder(run / "data" / stage).dropped():
            kind = truth.get(row["id"].rsplit("/", 1)[-1].split(".")[0], "?")
            left.setdefault(kind, Counter())[row["reason"]] += 1
            gone[kind] += 1
    print("\n| kind | files | left | why |\n|---|---|---|---|")
    for kind, number in sorted(Counter(truth.values()).items(), key=lambda pair: -pair[1]):
        why = ", ".join(
            f"{reason} {count}" for reason, count in left.get(kind, Counter()).most_common()
        )
        print(f"| {kind} | {number:,} | {gone[kind]:,} | {why} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--side", type=int, default=480, help="height in pixels")
    parser.add_argument("--workdir", type=Path, default=Path("runs/curation"))
    given = parser.parse_args()
    home = given.workdir / f"{given.files}x{given.side}"
    shutil.rmtree(home / "runs", ignore_errors=True)
    pictures, bombs = home / "pictures", bomb()
    if not pictures.exists():
        for at in range(given.files):
            write(pictures, at, given.side, bombs)
    truth = {f"{at:07d}": kind_of(at) for at in range(given.files + 100)}
    size = sum(path.stat().st_size for path in pictures.rglob("*") if path.is_file())
    print(f"{given.files:,} files, {size / 1e6:,.0f} MB; one in {SHARE} is spoilt\n", flush=True)
    recipe = home / "recipe.toml"
    recipe.write_text(RECIPE.format(folder=json.dumps(str(pictures)), minimum=given.side // 2))
    words = [str(recipe), "--workdir", str(home / "runs")]
    print("| | s | s computed | MB together | MB main |\n|---|---|---|---|---|")
    first = say("everything", curate(words))
    stages = [(name, Folder(home / "runs/mixed/data" / name).manifest()) for name in DATA]
    less = ["--set", f"curate.pictures.0.minimum={given.side // 2 - 8}", "--rebuild"]
    say("one threshold changed", curate([*words, *less]))
    for at in range(given.files, given.files + 100):
        write(pictures, at, given.side, bombs)
    say("100 files more", curate([*words, *less]))
    print("\n| stage, of everything | rows | s | ms a row |\n|---|---|---|---|")
    for name, made in stages:
        rows = made.counts["in"]
        print(f"| {name} | {rows:,} | {made.seconds:.1f} | {1000 * made.seconds / rows:.2f} |")
    print(f"\n{first.said}")
    table(home / "runs" / "mixed", truth)


def say(what: str, measured: Measured) -> Measured:
    numbers = [f"{measured.seconds:.1f}", f"{measured.computed:.1f}"]
    numbers += [f"{measured.together:,.0f}", f"{measured.main:,.0f}"]
    print(f"| {what} | {' | '.join(numbers)} |", flush=True)
    return measured


if __name__ == "__main__":
    main()
