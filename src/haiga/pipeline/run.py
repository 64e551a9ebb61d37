"""One run of one recipe: its folder, and where everything in it stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from haiga import store
from haiga.errors import RecipeError
from haiga.events import Sink
from haiga.pipeline.console import console
from haiga.recipe.load import dump
from haiga.recipe.schema import Recipe, Stage
from haiga.store import Folder
from haiga.world.base import WEIGHTS

DATA = ("00_raw", "01_filtered", "02_captioned", "03_quality_checked", "04_final")
_WORLD = {"world:tower": WEIGHTS / "tower", "world:language": WEIGHTS / "language"}


@dataclass(frozen=True)
class Run:
    """A recipe and the folder that it fills."""

    recipe: Recipe
    folder: Path
    """`<workdir>/<name>`: may be moved to another machine between stages; holds no absolute path."""
    emit: Sink
    rebuild: bool = False
    """Make complete folders anew where the recipe has changed, instead of stopping."""

    def data(self, stage: str) -> Folder:
        return Folder(self.folder / "data" / stage, rebuild=self.rebuild)

    @property
    def base(self) -> Path:
        """The assembled model before its first stage, or the fresh parts that a recipe trains."""
        return self.folder / "base"

    def stage(self, name: str) -> Path:
        return self.folder / "stages" / name

    def start_of(self, stage: Stage) -> Path:
        """The model folder that a stage starts from."""
        if stage.starts_from is not None:
            return self.stage(stage.starts_from) / "model"
        return self.base if stage.part == "vlm" else self.base / stage.part


def checkpoint(name: str) -> str | Path:
    """Where a model of the recipe is: the world's own, a folder, or a name on the hub."""
    if name in _WORLD:
        if not _WORLD[name].is_dir():
            raise RecipeError(f"{name} is not part of this installation ({_WORLD[name]}).")
        return _WORLD[name]
    return Path(name) if Path(name).is_dir() else name


def start(recipe: Recipe, workdir: Path, *, rebuild: bool = False) -> Run:
    """The run of a recipe under `workdir`, its folder made and the resolved recipe kept in it."""
    folder = workdir / recipe.name
    store.write_atomically(folder / "recipe.toml", dump(recipe).encode())
    return Run(recipe, folder, console(), rebuild)
