"""The commands on a model that is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from haiga.cli.base import begin, say

if TYPE_CHECKING:
    from haiga.errors import PictureError

ModelPath = Annotated[
    Path, typer.Argument(help="A run's folder, a stage, or a checkpoint.", metavar="MODEL")
]


def write(
    model: ModelPath,
    pictures: Annotated[
        list[Path], typer.Argument(help="Files, or folders of them.", metavar="PICTURE…")
    ],
    task: Annotated[str | None, typer.Option(help="What to write, if not what it learned.")] = None,
    language: Annotated[str | None, typer.Option(help="The language to ask in.")] = None,
    best_of: Annotated[int, typer.Option(min=1, help="Draw so many, take the best.")] = 1,
    by: Annotated[str, typer.Option(help="The best by: dependence, similarity.")] = "dependence",
    encoder: Annotated[str, typer.Option(help="For similarity: a CLIP or SigLIP.")] = "",
    scores: Annotated[
        Path | None, typer.Option(help="A file for all candidates and their scores.")
    ] = None,
) -> None:
    """The model answers pictures."""
    begin(f"opening {model}")
    from haiga.serving.answer import answer
    from haiga.sources.files import in_folders

    pictures = in_folders(pictures)
    found = (
        answer(model, pictures, task=task, language=language)
        if best_of == 1
        else _best(model, pictures, (task, language), (best_of, by, encoder), scores)
    )
    failed = False
    for name, text, error in found:
        if error is not None:
            failed = True
            say(str(error), error=True)
        else:
            say(*([f"{name}:"] if len(pictures) > 1 else []), text)
    if failed:
        raise typer.Exit(2)


def _best(
    model: Path,
    pictures: list[Path],
    asked: tuple[str | None, str | None],
    how: tuple[int, str, str],
    scores: Path | None,
) -> Iterator[tuple[str, str, PictureError | None]]:
    """The best of several answers to each picture; `scores` is given all of them."""
    from haiga.evaluation.grounded import Best, keep
    from haiga.pipeline.run import checkpoint
    from haiga.serving.answer import answer_best

    (task, language), (samples, by, encoder) = asked, how
    best = Best(samples, by, encoder=str(checkpoint(encoder)) if encoder else "")
    for name, candidates, error in answer_best(model, pictures, best, task=task, language=language):
        if scores is not None and candidates:
            keep(scores, {name: candidates})
        yield name, candidates[0].text if candidates else "", error


def app(
    models: Annotated[
        list[Path],
        typer.Argument(help="Runs' folders, stages, or checkpoints.", metavar="MODEL…"),
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 0,
) -> None:
    """A page on this machine: give a picture, choose, and read what the model writes to it."""
    begin(f"opening {', '.join(map(str, models))}")
    from haiga.serving.demo import open_desk, serve

    desk = open_desk(models)
    offered = ", ".join(f"{choice.task} ({choice.language})" for choice in desk.prompts)

    def ready(address: str) -> None:
        say(f"Open {address} in a browser on this machine; Ctrl-C ends it. It writes: {offered}.")

    serve(desk, port=port, ready=ready)


def export(
    model: ModelPath,
    folder: Annotated[Path, typer.Argument(help="A new folder.", metavar="FOLDER")],
) -> None:
    """A standard checkpoint, reloaded and compared before it is called done."""
    begin(f"writing {folder}, which is then read back and compared")
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
    begin(f"opening {model}")
    from haiga.pipeline import benchmarks, tables
    from haiga.recipe.load import settings

    found = benchmarks.ask(model, name, settings(set_ or []), folder)
    tables.benchmark(name, found)
    say(f"Figures: {folder / 'benchmark.json'}")
