"""The benchmarks of a recipe, or of one command: every stage that sees, under every condition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from haiga import store
from haiga.errors import HaigaError
from haiga.evaluation import benched
from haiga.evaluation.benchmarks import BENCHMARKS
from haiga.evaluation.benchmarks.base import Benchmark, Given
from haiga.evaluation.benchmarks.rows import where
from haiga.evaluation.run import Stage
from haiga.pipeline import learning
from haiga.pipeline.answering import answering
from haiga.pipeline.console import console
from haiga.pipeline.run import Run
from haiga.recipe.bind import bind
from haiga.recipe.schema import Recipe
from haiga.serving.opened import model_folder, open_model
from haiga.store.files import read_json
from haiga.store.pictures import PictureFiles

PATH: Final = "evaluate.benchmarks"
BATCH: Final = 16
"""Questions that a model alone answers together."""
_PLACES: Final = ("path", "split", "config", "pictures")
"""The options that say where the rows are."""


def evaluate(run: Run) -> None:
    """Ask every benchmark of the recipe, and write what was found."""
    section = run.recipe.evaluate
    names = [
        name for name in learning.answering(run.recipe) if run.recipe.stage[name].part == "vlm"
    ]
    final = run.data("04_final").path
    for key, options in section.benchmarks.items():
        benchmark, opened = _bound(key, options)
        folder = _folder(run, key)
        given = Given(
            PictureFiles(folder),
            run.recipe.seed,
            run.recipe.language,
            store.read_groups(final, "held_out"),
            store.FinalPictures(final),
        )
        bench = opened(given)
        asking = partial(benched.ask, bench=bench, features=run.features, batch=section.batch)
        benched.run(
            benchmark,
            bench,
            answering(run, names, asking),
            folder,
            conditions=[name for name in section.conditions if name in benched.CONDITIONED],
            seed=run.recipe.seed,
            emit=run.emit,
        )


def ask(model: Path, name: str, options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """One benchmark asked of one model, and written under `folder`; see `benched.run`.

    A model stands alone here, so that it is held against itself without its picture, with
    another's, and before grey, and not against what it was before training.

    Args:
        model: a run's folder, a stage, or a checkpoint.
        name: of the benchmark.
        options: as its section of a recipe has them.
        folder: where answers and figures go; what was asked there before is not asked again.

    Raises:
        RecipeError: there is no such benchmark, or it takes no such option.
        DataError: its rows cannot be read.
        ModelError: there is no model.
    """
    benchmark, opened = _bound(name, options)
    bench = opened(Given(PictureFiles(folder)))
    place = model_folder(model)
    weights = store.fingerprint(
        {path.name: store.digest(path.read_bytes()) for path in sorted(place.glob("*.safetensors"))}
    )
    load = cache(lambda: open_model(model).vlm)
    stage = Stage(weights, benched.ask(load, bench, batch=BATCH))
    return benched.run(benchmark, bench, {place.name: stage}, folder, emit=console())


def read(run: Run) -> dict[str, dict[str, Any]]:
    """Key -> what was found, of the recipe's benchmarks that have been asked."""
    found = {
        key: read_json(_folder(run, key) / "benchmark.json")
        for key in run.recipe.evaluate.benchmarks
    }
    return {key: each for key, each in found.items() if each is not None}


def faults(recipe: Recipe) -> Iterator[str]:
    """Benchmarks that are not there, options that they do not take, files that are missing."""
    for key, options in recipe.evaluate.benchmarks.items():
        try:
            _bound(key, options)
            if "path" in options:
                where(**{name: options[name] for name in _PLACES if name in options})
        except HaigaError as error:
            found = str(error)
            yield found if found.startswith(PATH) else f"{PATH}.{key}: {found}"


def _bound(key: str, options: Mapping[str, Any]) -> tuple[Benchmark, partial[Any]]:
    component = {"name": key, **options}
    table = {name: each.open for name, each in BENCHMARKS.items()}
    opened = bind(table, component, f"{PATH}.{key}")
    return BENCHMARKS[component["name"]], opened


def _folder(run: Run, key: str) -> Path:
    return run.folder / "evaluation" / "benchmarks" / key
