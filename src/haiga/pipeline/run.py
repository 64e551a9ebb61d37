"""One run of one recipe: its folder, and where everything in it stands."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import haiga.world
from haiga import store
from haiga.errors import RecipeError
from haiga.events import Sink
from haiga.pipeline.console import console
from haiga.recipe.load import dump
from haiga.recipe.names import did_you_mean, listed
from haiga.recipe.schema import Recipe, Stage
from haiga.store import Folder
from haiga.store.files import sole

DATA = ("00_raw", "01_filtered", "02_captioned", "03_quality_checked", "04_final")
FRESH = "world:fresh"
"""New weights of the world's own architecture: as tower and language model for its base recipe, as
language model alone a decoder that a tower can be joined to by cross-attention."""
_WEIGHTS = Path(haiga.world.__file__).parent / "weights"
_WORLD = {"world:tower": _WEIGHTS / "tower", "world:language": _WEIGHTS / "language"}


@dataclass(frozen=True)
class Run:
    """A recipe and the folder that it fills."""

    recipe: Recipe
    folder: Path
    """`<workdir>/<name>`. It may be moved between stages: no file in it holds an absolute path."""
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

    @property
    def features(self) -> Path:
        """What towers say of pictures, for all stages and rewards."""
        return self.folder / "features"

    @property
    def critics(self) -> Path:
        """The critics of style, and how far each can be trusted."""
        return self.folder / "critics"

    def critic(self, name: str) -> Path:
        return self.critics / f"{name}.safetensors"

    def start_of(self, stage: Stage) -> Path:
        """The model folder that a stage starts from."""
        if stage.starts_from is not None:
            return self.stage(stage.starts_from) / "model"
        return self.base if stage.part == "vlm" else self.base / stage.part


def checkpoint(name: str) -> str | Path:
    """Where a model of the recipe is: the world's own, a folder, or a name on the hub.

    Raises:
        RecipeError: it is none of these.
    """
    if name in _WORLD:
        if not _WORLD[name].is_dir():
            raise RecipeError(f"{name} is not part of this installation ({_WORLD[name]}).")
        return _WORLD[name]
    if name.startswith("world:"):
        near = did_you_mean(name, _WORLD)
        raise RecipeError(f"The world has no {name!r}{near}; it has: {listed(_WORLD)}.")
    if Path(name).is_dir():
        return Path(name)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise RecipeError(f"There is no folder {name}. Name a checkpoint's folder or a hub model.")
    return name


def open_run(recipe: Recipe, workdir: Path, *, rebuild: bool = False) -> Run:
    """The run of a recipe under `workdir`. Nothing is written."""
    return Run(recipe, workdir / recipe.name, console(), rebuild)


def at_work(run: Run) -> AbstractContextManager[None]:
    """The only process that makes parts of a run.

    Raises:
        StoreError: another is at work there, or the folder cannot be written.
    """
    return sole(
        run.folder / ".at_work",
        f"Another haiga is at work in {run.folder}. Wait for it, stop it, or give this run a name "
        "of its own (--set name=...).",
    )


def keep_recipe(run: Run) -> None:
    """Write the resolved recipe into the run's folder."""
    store.write_atomically(run.folder / "recipe.toml", dump(run.recipe).encode())
