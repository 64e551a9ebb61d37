"""A model answers pictures: the same words, the same preparation of pictures as in training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from haiga.errors import ModelError, PictureError
from haiga.models.adapters import load_stage
from haiga.models.assemble import Vlm
from haiga.models.generate import generate
from haiga.models.pictures import open_picture
from haiga.records import IMAGE, user
from haiga.teachers.tasks import instructions

MARK = "haiga.json"
"""Beside a stage's model: the task and the language that it was trained for."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A model and what it was trained to write."""

    vlm: Vlm
    task: str = "haiku"
    language: str = "en"


def open_model(place: Path) -> Opened:
    """A stage's folder, a run's folder (its last stage), or a whole checkpoint.

    Raises:
        ModelError: there is no model; says what was looked for.
    """
    folder = _model_folder(place)
    mark = folder.parent / MARK
    said = json.loads(mark.read_text(encoding="utf-8")) if mark.exists() else {}
    return Opened(load_stage(folder), **said)


def answer(
    place: Path,
    pictures: Sequence[Path],
    *,
    task: str | None = None,
    language: str | None = None,
    max_new_tokens: int = 64,
) -> Iterator[tuple[str, str, PictureError | None]]:
    """(name, text, None) for each picture in order, or (name, "", why it cannot be read).

    One picture that cannot be read does not keep the others from their answers.
    """
    seen: list[tuple[Path, PictureError | None]] = []
    views = []
    for path in pictures:
        try:
            views.append(open_picture(path, name=str(path)))
            seen.append((path, None))
        except PictureError as error:
            seen.append((path, error))
    opened = open_model(place)
    instruction = instructions(task or opened.task, language or opened.language)[0]
    prompt = (user(IMAGE, "\n" + instruction),)
    texts = iter(
        generate(
            opened.vlm,
            [prompt] * len(views),
            [[view] for view in views],
            max_new_tokens=max_new_tokens,
        )
        if views
        else ()
    )
    for path, error in seen:
        yield str(path), "" if error else next(texts), error


def _model_folder(place: Path) -> Path:
    if (place / "config.json").exists() or (place / "base.json").exists():
        return place
    if (place / "model").is_dir():
        return place / "model"
    stages = [
        path for path in (place / "stages").glob("*/manifest.json") if (path.parent / MARK).exists()
    ]
    if stages:
        return max(stages, key=lambda path: path.stat().st_mtime).parent / "model"
    raise ModelError(
        f"{place} holds no model. Give a run's folder (runs/NAME, after `haiga run`), one of its "
        "stages (runs/NAME/stages/sft), or a checkpoint's folder with its config.json."
    )
