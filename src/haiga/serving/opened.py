"""A trained model opened by its folder, with what it was trained to write."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from haiga import store
from haiga.errors import ModelError
from haiga.models.adapters import load_stage
from haiga.models.assemble import Vlm
from haiga.models.device import device
from haiga.models.export import export as export_checkpoint
from haiga.models.weights import readable

CARDS = "cards"
"""In a run's folder: Markdown for whoever publishes what it made, by stage."""
MARK = "haiga.json"
"""Beside a stage's model, and in an exported checkpoint."""
_README: Final = "README.md"
_CARD: Final = re.compile(r"^# (.+)\n\n(.+)$", re.MULTILINE)
"""How a card begins, after its front matter: the recipe's name, and what was found."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A model and what it was trained to write."""

    vlm: Vlm
    task: str = "haiku"
    language: str = "en"
    control: bool = False
    """It was trained without pictures."""
    max_new_tokens: int = 64
    """How long an answer may be: as its run evaluates it."""
    tasks: Sequence[str] = ()
    """All that it was trained to write, `task` first; nothing where only that is known."""


@dataclass(frozen=True, slots=True)
class About:
    """What a model is, as far as its folder says it."""

    name: str
    """The recipe's; without one, the folder's."""
    stage: str = ""
    shown: str = ""
    """What its evaluation showed: the first words of its card."""


def mark(folder: Path, task: str, language: str, **more: bool | int | Sequence[str]) -> None:
    """Write beside a model what it was trained for; `more` are further fields of `Opened`."""
    said = {"task": task, "language": language, **more}
    store.write_atomically(folder / MARK, (json.dumps(said) + "\n").encode())


def open_model(place: Path) -> Opened:
    """A stage's folder, a run's folder (its last stage that sees), or a whole checkpoint.

    The model is on the accelerator where there is one.

    Raises:
        ModelError: there is no model; says what was looked for.
    """
    folder = model_folder(place)
    vlm = load_stage(folder)
    vlm.model.to(device())
    return Opened(vlm, **{**_of_run(folder), **_said(folder)})


def about(place: Path) -> About:
    """What the model of a place is.

    Raises:
        ModelError: there is none.
    """
    folder = model_folder(place)
    stage, recipe = _stage_of(folder)
    found = _CARD.search((_card(folder) or b"").decode("utf-8", errors="replace"))
    named, shown = found.groups() if found else ("", "")
    return About(recipe.get("name") or named or folder.resolve().name, stage, shown)


def export(place: Path, folder: Path) -> None:
    """A standard checkpoint of a model, marked with what it was trained for; see `models.export`.

    Its card, where the run was reported on, goes with it as README.md.

    Raises:
        ModelError: there is no model, or what was read back is another.
        StoreError: `folder` is not empty.
    """
    opened = open_model(place)
    export_checkpoint(opened.vlm, folder, max_new_tokens=opened.max_new_tokens)
    fields = ("control", "max_new_tokens", "tasks")
    more = {name: getattr(opened, name) for name in fields}
    mark(folder, opened.task, opened.language, **more)
    card = _card(model_folder(place))
    if card is not None:
        store.write_atomically(folder / _README, card)


def _card(model: Path) -> bytes | None:
    """The card of a model where there is one: in its run, or beside it where it was exported."""
    stage = model.resolve().parent
    exported = (model / MARK).is_file()
    path = model / _README if exported else stage.parent.parent / CARDS / f"{stage.name}.md"
    return path.read_bytes() if path.is_file() else None


def model_folder(place: Path) -> Path:
    """Where the model of a run, of a stage or of a checkpoint is.

    Raises:
        ModelError: nowhere.
    """
    if (place / "config.json").exists() or (place / "base.json").exists():
        return place
    if (place / "model").is_dir() and (place / "manifest.json").exists():
        return place / "model"
    for stage in reversed(_stages(place)):
        if (stage / MARK).exists() and (stage / "manifest.json").exists():
            folder = stage / "model"
            if not _said(folder).get("control"):
                return folder
    raise ModelError(
        f"{place} holds no trained model. Give a run's folder (runs/NAME, after `haiga run`), one "
        "of its finished stages (runs/NAME/stages/sft), or a checkpoint's folder with its "
        "config.json."
    )


def _stages(place: Path) -> list[Path]:
    """The stages of a run, in the order of its recipe."""
    return [place / "stages" / name for name in _recipe(place).get("stage", {})]


def _of_run(model: Path) -> dict[str, Any]:
    """Fields of `Opened` that the recipe of the run knows whose stage's model it is."""
    stage, recipe = _stage_of(model)
    found = {"tasks": recipe.get("stage", {}).get(stage, {}).get("tasks", ())}
    evaluate = recipe.get("evaluate", {})
    return found | {key: evaluate[key] for key in ("max_new_tokens",) if key in evaluate}


def _stage_of(model: Path) -> tuple[str, dict[str, Any]]:
    """The stage whose model it is, and its run's recipe; nothing where it is a checkpoint alone."""
    stage = model.resolve().parent
    if stage.parent.name != "stages":
        return "", {}
    return stage.name, _recipe(stage.parent.parent)


def _recipe(run: Path) -> dict[str, Any]:
    """The recipe that a run's folder keeps; nothing where it keeps none."""
    path = run / "recipe.toml"
    if not path.is_file():
        return {}
    with readable(path):
        return tomllib.loads(path.read_text(encoding="utf-8"))


def _said(folder: Path) -> dict:
    for path in (folder / MARK, folder.parent / MARK):
        if path.is_file():
            with readable(path):
                return dict(json.loads(path.read_text(encoding="utf-8")))
    return {}
