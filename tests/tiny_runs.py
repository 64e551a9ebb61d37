"""Whole runs on tiny random models: two checkpoints, a recipe, and `haiga` beside them."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import NamedTuple

import tiny
from haiga.cli import main

RECIPE = """
name = "tiny"
language = "en"
seed = 7

[source]
name = "floating_world"
prints = 26

[curate]
hamming = 2

[curate.texts]
haiku = [{ name = "form" }]

[teach]
teacher = { name = "poet" }
tasks = ["haiku"]
answers = 2

[split]
held_out = 5
validation = 3

[model]
tower = "tower"
language_model = "language"
image_token = "<|image_pad|>"

[stage.align]
tasks = ["describe"]
objective = { name = "cross_entropy" }
trainable = [[".*multi_modal_projector.*", 2e-3], [".*", "frozen"]]
steps = 2
batch = 4

[stage.sft]
starts_from = "align"
tasks = ["haiku"]
objective = { name = "cross_entropy" }
adapter = { r = 2, alpha = 4 }
trainable = [[".*lora_.*", 1e-3], [".*multi_modal_projector.*", 1e-3], [".*", "frozen"]]
steps = 3
batch = 4
micro_batch = 2

[evaluate]
max_new_tokens = 6
"""
"""Below 32 prints, the world draws in its own process."""

FRESH = """
name = "fresh"
language = "en"
seed = 7

[source]
name = "floating_world"
prints = 16
texts = 12

[curate]
hamming = 2

[teach]
teacher = { name = "poet" }
tasks = ["haiku", "describe"]

[split]
held_out = 4
validation = 3

[model]
tower = "world:fresh"
language_model = "world:fresh"
image_token = "<|image_pad|>"

[stage.tower]
part = "tower"
tasks = ["describe"]
objective = { name = "siglip" }
trainable = [[".*", 1e-3]]
steps = 2
batch = 4

[stage.language]
part = "language"
tasks = ["haiku", "describe"]
objective = { name = "cross_entropy" }
trainable = [[".*", 1e-3]]
steps = 2
batch = 4

[evaluate]
max_new_tokens = 6
"""


class Said(NamedTuple):
    """What a command left behind in a terminal."""

    code: int
    out: str
    err: str


def prepare(home: Path, recipe: str = RECIPE) -> Path:
    """Write the tiny checkpoints and the recipe into `home`."""
    tiny.tiny_tower(home / "tower")
    tiny.tiny_language_model(home / "language")
    (home / "recipe.toml").write_text(recipe, encoding="utf-8")
    return home


def haiga(home: Path, *words: str) -> Said:
    """Run a command in `home`, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(home), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(words))
    return Said(code, out.getvalue(), err.getvalue())


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder: when it was written, in nanoseconds, and what it holds."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
