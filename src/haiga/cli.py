"""The command line: it parses words, calls one function, and prints one table.

A HaigaError is printed as its sentence and ends with 2; Ctrl-C ends with 130. Anything else is a
mistake of ours and shows its traceback.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from haiga.errors import HaigaError

if TYPE_CHECKING:
    from haiga.pipeline.run import Run

app = typer.Typer(
    name="haiga",
    help="From a collection of pictures and a voice to a model that writes in that voice.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

RecipePath = Annotated[Path, typer.Argument(help="A recipe, a TOML file.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one value: a.b=c. May be repeated.", metavar="A.B=C"),
]
Workdir = Annotated[Path, typer.Option(help="Where runs/<name> is made.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, do nothing.")]
Rebuild = Annotated[
    bool, typer.Option("--rebuild", help="Make again what the recipe has changed, and what follows.")
]
RUNS = Path("runs")


@app.command()
def run(
    recipe: RecipePath,
    set_: Overrides = None,
    workdir: Workdir = RUNS,
    dry_run: DryRun = False,
    rebuild: Rebuild = False,
) -> None:
    """Everything, from pictures to report; goes on where it stopped."""
    from haiga.pipeline import judge, tables
    from haiga.pipeline.data import make_data
    from haiga.pipeline.models import make_base, train

    opened = _open(recipe, set_, workdir, rebuild=rebuild)
    if dry_run:
        return _dry(opened)
    make_data(opened)
    make_base(opened)
    train(opened)
    judge.evaluate(opened)
    path = judge.report(opened)
    tables.summary(opened)
    _say(f"Report: {path}", f"Next: {judge.next_command(opened)}")


@app.command()
def check(recipe: RecipePath, set_: Overrides = None) -> None:
    """What would go wrong, before anything is spent."""
    from haiga.pipeline.check import check as check_recipe
    from haiga.recipe.load import load

    for line in check_recipe(load(recipe, set_ or [])):
        _say(line)
    _say(f"{recipe} is in order.", f"Next: haiga run {recipe}")


@app.command()
def plan(recipe: RecipePath, set_: Overrides = None) -> None:
    """Parameters, and tokens per picture."""
    from haiga.pipeline import tables
    from haiga.pipeline.plan import plan as make_plan
    from haiga.recipe.load import load

    tables.plan(make_plan(load(recipe, set_ or [])))


@app.command()
def curate(recipe: RecipePath, set_: Overrides = None, workdir: Workdir = RUNS) -> None:
    """Gather pictures, teach, and split: the data folders alone."""
    from haiga.pipeline import tables
    from haiga.pipeline.data import make_data

    opened = _open(recipe, set_, workdir)
    make_data(opened)
    tables.funnel(opened)
    _say(f"Next: haiga train {recipe}")


@app.command()
def train(
    recipe: RecipePath,
    set_: Overrides = None,
    workdir: Workdir = RUNS,
    dry_run: DryRun = False,
    rebuild: Rebuild = False,
) -> None:
    """The stages, on data that is there."""
    from haiga.pipeline import models

    opened = _open(recipe, set_, workdir, rebuild=rebuild)
    if dry_run:
        return _dry(opened)
    models.make_base(opened)
    models.train(opened)
    _say(f"Next: haiga evaluate {recipe}")


@app.command()
def evaluate(recipe: RecipePath, set_: Overrides = None, workdir: Workdir = RUNS) -> None:
    """Every stage under every condition, on the held-out pictures."""
    from haiga.pipeline import judge, tables

    opened = _open(recipe, set_, workdir)
    judge.evaluate(opened)
    tables.summary(opened)
    _say(f"Next: haiga report {recipe}")


@app.command()
def report(recipe: RecipePath, set_: Overrides = None, workdir: Workdir = RUNS) -> None:
    """One HTML file of what was run and what it shows."""
    from haiga.pipeline import judge

    opened = _open(recipe, set_, workdir)
    path = judge.report(opened)
    _say(f"Report: {path}", f"Next: {judge.next_command(opened)}")


@app.command()
def write(
    model: Annotated[Path, typer.Argument(help="A run's folder, a stage, or a checkpoint.")],
    pictures: Annotated[list[Path], typer.Argument(help="Picture files.", metavar="PICTURE…")],
    task: Annotated[str | None, typer.Option(help="What to write, if not what it learned.")] = None,
    language: Annotated[str | None, typer.Option(help="The language to ask in.")] = None,
) -> None:
    """The model answers pictures."""
    from haiga.serving.answer import answer

    failed = 0
    for name, text, error in answer(model, pictures, task=task, language=language):
        failed += error is not None
        if len(pictures) > 1:
            _say(f"{name}:")
        _say(text if error is None else f"{error}", error=error is not None)
    if failed:
        raise typer.Exit(2)


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="A run's folder, a stage, or a checkpoint.")],
    folder: Annotated[Path, typer.Argument(help="Where the checkpoint is written.")],
) -> None:
    """A standard checkpoint, reloaded and compared before it is called done."""
    from haiga.models.export import export as export_model
    from haiga.serving.answer import open_model

    export_model(open_model(model).vlm, folder)
    _say(f"{folder} loads as AutoModelForImageTextToText and writes the same as {model}.")


def _open(
    recipe: Path, overrides: list[str] | None, workdir: Path, *, rebuild: bool = False
) -> Run:
    """The run of a recipe, checked, with its folder and its console."""
    from haiga.pipeline.check import check as check_recipe
    from haiga.pipeline.run import start
    from haiga.recipe.load import load

    loaded = load(recipe, overrides or [])
    check_recipe(loaded)
    return start(loaded, workdir, rebuild=rebuild)


def _dry(opened: Run) -> None:
    _say(f"Nothing was done. {opened.folder} would be filled or completed.")


def _say(*lines: str, error: bool = False) -> None:
    for line in lines:
        print(line, file=sys.stderr if error else sys.stdout)


def main() -> None:
    """The entry point: errors for people become sentences."""
    try:
        app(standalone_mode=False)
    except HaigaError as error:
        _say(str(error), error=True)
        sys.exit(2)
    except typer.Exit as end:
        sys.exit(end.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _say("Stopped. The same command goes on from here.", error=True)
        sys.exit(130)
    except Exception as error:
        if not hasattr(error, "format_message"):  # click's own: a wrong option
            raise
        _say(error.format_message(), error=True)
        sys.exit(2)
