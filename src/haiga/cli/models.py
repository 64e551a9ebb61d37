"""The commands on a model that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from haiga.cli.base import say

ModelPath = Annotated[
    Path, typer.Argument(help="A run's folder, a stage, or a checkpoint.", metavar="MODEL")
]


def write(
    model: ModelPath,
    pictures: Annotated[list[Path], typer.Argument(help="Picture files.", metavar="PICTURE…")],
    task: Annotated[str | None, typer.Option(help="What to write, if not what it learned.")] = None,
    language: Annotated[str | None, typer.Option(help="The language to ask in.")] = None,
) -> None:
    """The model answers pictures."""
    from haiga.serving.answer import answer

    failed = False
    for name, text, error in answer(model, pictures, task=task, language=language):
        if error is not None:
            failed = True
            say(str(error), error=True)
        else:
            say(*([f"{name}:"] if len(pictures) > 1 else []), text)
    if failed:
        raise typer.Exit(2)


def export(
    model: ModelPath,
    folder: Annotated[Path, typer.Argument(help="A new folder.", metavar="FOLDER")],
) -> None:
    """A standard checkpoint, reloaded and compared before it is called done."""
    from haiga.serving.opened import export as export_model

    export_model(model, folder)
    say(f"{folder} loads as AutoModelForImageTextToText and writes the same as {model}.")


def benchmark(
    model: ModelPath,
    name: Annotated[str, typer.Argument(help="pope, mmmu, mmbench, …", metavar="BENCHMARK")],
    folder: Annotated[Path, typer.Argument(help="Where answers and figures go.", metavar="FOLDER")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of the benchmark: path=rows.parquet.", metavar="A=B"),
    ] = None,
) -> None:
    """The model answers a published benchmark: with the picture, without, another's, and grey."""
    from haiga.pipeline import benchmarks, tables
    from haiga.recipe.load import settings

    found = benchmarks.ask(model, name, settings(set_ or []), folder)
    tables.benchmark(name, found)
    say(f"Figures: {folder / 'benchmark.json'}")
