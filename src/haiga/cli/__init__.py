"""The command line: it parses words, calls one function, and prints one table.

A HaigaError is printed as its sentence and ends with 2, and so is what the machine refuses (files,
memory); Ctrl-C ends with 130. Anything else is a mistake of ours and shows its traceback. What a
command needs is imported inside it, so that help and faults of spelling come at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from haiga.cli import documents as on_documents
from haiga.cli import judging
from haiga.cli import models as on_models
from haiga.cli.base import (
    RUNS,
    DryRun,
    Overrides,
    Part,
    Rebuild,
    RecipePath,
    Workdir,
    begin,
    do,
    say,
    words_of,
)

if TYPE_CHECKING:
    from haiga.pipeline.run import Run

app = typer.Typer(
    name="haiga",
    help="From a collection of pictures and a voice to a model that writes in that voice.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def makes(part: Part) -> Part:
    """A command that makes parts of a run, can say beforehand which, and can make them anew."""

    @app.command(part.__name__, help=part.__doc__)
    def command(
        recipe: RecipePath,
        set_: Overrides = None,
        workdir: Workdir = RUNS,
        dry_run: DryRun = False,
        rebuild: Rebuild = False,
    ) -> None:
        do(part, recipe, set_, workdir, dry_run=dry_run, rebuild=rebuild)

    return part


def reads(part: Part) -> Part:
    """A command that reads what there is of a run and never makes it anew."""

    @app.command(part.__name__, help=part.__doc__)
    def command(recipe: RecipePath, set_: Overrides = None, workdir: Workdir = RUNS) -> None:
        do(part, recipe, set_, workdir)

    return part


@makes
def run(opened: Run, words: str) -> None:
    """Everything, from pictures to report; goes on where it stopped."""
    from haiga.pipeline import audit, data, health, judge, models, ranks, tables, writers

    writers.require_keys(opened)
    with ranks.first_ahead():
        data.make_data(opened)
        health.look(opened)
        audit.look(opened)
        models.prepare(opened)
    models.train(opened)
    if not ranks.alone():
        return
    judge.evaluate(opened)
    path, found = judge.report(opened)
    tables.summary(opened)
    say(found, f"Report: {path}", f"Next: {judge.next_command(opened)}")
    judging.end_if_refused(opened)


@app.command()
def check(recipe: RecipePath, set_: Overrides = None) -> None:
    """What would go wrong, before anything is spent."""
    begin(str(recipe))
    from haiga.pipeline.check import check as check_recipe
    from haiga.recipe.load import load

    for line in check_recipe(load(recipe, set_ or [])):
        say(line)
    say(f"{recipe} is in order.", f"Next: haiga run {words_of(recipe, set_)}")


@app.command()
def plan(recipe: RecipePath, set_: Overrides = None) -> None:
    """Parameters, tokens per picture, and what each stage holds of a GPU."""
    begin(str(recipe))
    from haiga.pipeline import fitting, tables
    from haiga.pipeline.plan import plan as make_plan
    from haiga.recipe.load import load

    opened = load(recipe, set_ or [])
    counted = make_plan(opened)
    tables.plan(counted)
    needs = fitting.needs(opened, counted)
    if needs:
        tables.memory(needs)
        say(*fitting.sentences(needs))


@makes
def curate(opened: Run, words: str) -> None:
    """Gather pictures, teach, and split: the data folders alone."""
    from haiga.pipeline import data, health, tables, writers

    writers.require_keys(opened)
    data.make_data(opened)
    page = health.look(opened)
    tables.funnel(opened)
    final = opened.data("04_final").path
    then = f"Next: haiga train {words}" if opened.recipe.stage else f"The set, as Parquet: {final}"
    say(f"Health of the data: {page}", then)


@app.command()
def teach(
    recipe: RecipePath,
    set_: Overrides = None,
    workdir: Workdir = RUNS,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what it would cost; ask nothing.")
    ] = False,
) -> None:
    """Gather pictures and have the teacher write about them: what is paid for, alone."""
    from haiga.pipeline import data

    do(data.estimate if estimate else data.write, recipe, set_, workdir)


@reads
def audit(opened: Run, words: str) -> None:
    """Where chosen and rejected answers differ, before anything is trained on them."""
    from haiga.pipeline import audit, tables

    tables.audit(audit.require(opened))
    say(f"Next: haiga train {words}")


@app.command()
def rows(
    recipe: RecipePath,
    folder: Annotated[Path, typer.Argument(help="A new folder.", metavar="FOLDER")],
    set_: Overrides = None,
    workdir: Workdir = RUNS,
) -> None:
    """What each stage learns from, as Parquet that TRL trains on."""

    def rows(opened: Run, words: str) -> None:
        from haiga.pipeline import tables
        from haiga.pipeline.handing import hand_over

        tables.handed(hand_over(opened, folder))
        say(f"{folder} opens with datasets.load_dataset, a stage at a time.")

    do(rows, recipe, set_, workdir)


@makes
def train(opened: Run, words: str) -> None:
    """The stages, on data that is there."""
    from haiga.pipeline import models, ranks

    with ranks.first_ahead():
        models.prepare(opened)
    models.train(opened)
    if ranks.alone():
        say(f"Next: haiga evaluate {words}")


@reads
def report(opened: Run, words: str) -> None:
    """One HTML file of what was run and what it shows."""
    from haiga.pipeline import judge

    path, found = judge.report(opened)
    say(found, f"Report: {path}", f"Next: {judge.next_command(opened)}")


app.command()(judging.evaluate)
app.command()(judging.label)
app.command()(on_models.write)
app.command()(on_models.app)
app.command()(on_models.export)
app.command()(on_models.benchmark)
app.command()(on_documents.assign)


def quiet() -> None:
    """The libraries below keep to errors, and draw no bars of their own.

    By the variables that they read when they are imported, so this must come first; whoever has
    set one keeps what they set. What they plan to rename is no business of who runs a recipe.
    """
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    for kind in (FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=kind, module=r"(transformers|peft|torch)\.")


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point: errors for people become sentences. Returns the exit code."""
    quiet()
    try:
        code = app(arguments, prog_name="haiga", standalone_mode=False)
        sys.stdout.flush()
        # A command that ends itself, or is stopped by Ctrl-C, comes back as its exit code.
        code = code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except BrokenPipeError:
        # Whoever read has left; the flush at exit must not complain about it either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        from haiga.pipeline.console import excuse

        sentence = excuse(error)
        if sentence is None:
            raise
        say(*[sentence] if sentence else [], error=True)
        return 2
    if code == 130:
        say("Stopped. The same command goes on from here.", error=True)
    return code
