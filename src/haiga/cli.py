"""The command line: it parses words, calls one function, and prints one table.

A HaigaError is printed as its sentence and ends with 2, and so is what the machine refuses (files,
memory); Ctrl-C ends with 130. Anything else is a mistake of ours and shows its traceback. What a
command needs is imported inside it, so that help and faults of spelling come at once.
"""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

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
ModelPath = Annotated[
    Path, typer.Argument(help="A run's folder, a stage, or a checkpoint.", metavar="MODEL")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one value: a.b=c. May be repeated.", metavar="A.B=C"),
]
Workdir = Annotated[Path, typer.Option(help="The folder in which the run's own folder is made.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what is complete and what would be made; do nothing.")
]
Rebuild = Annotated[
    bool, typer.Option("--rebuild", help="Make again what the recipe changed, and what follows.")
]
RUNS = Path("runs")
SHARED = ("run", "train")
"""Commands at which several processes work together; any other is done by the first alone."""


Part: TypeAlias = Callable[["Run", str], None]
"""What a command does with a run; the text is how the next command must be asked for the same."""


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
        _do(part, recipe, set_, workdir, dry_run=dry_run, rebuild=rebuild)

    return part


def reads(part: Part) -> Part:
    """A command that reads what there is of a run and never makes it anew."""

    @app.command(part.__name__, help=part.__doc__)
    def command(recipe: RecipePath, set_: Overrides = None, workdir: Workdir = RUNS) -> None:
        _do(part, recipe, set_, workdir)

    return part


@makes
def run(opened: Run, words: str) -> None:
    """Everything, from pictures to report; goes on where it stopped."""
    from haiga.pipeline import audit, data, judge, models, ranks, tables

    with ranks.first_ahead():
        data.make_data(opened)
        audit.look(opened)
        models.prepare(opened)
    models.train(opened)
    if not ranks.alone():
        return
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
    _say(f"{recipe} is in order.", f"Next: haiga run {_words(recipe, set_)}")


@app.command()
def plan(recipe: RecipePath, set_: Overrides = None) -> None:
    """Parameters, and tokens per picture."""
    from haiga.pipeline import tables
    from haiga.pipeline.plan import plan as make_plan
    from haiga.recipe.load import load

    tables.plan(make_plan(load(recipe, set_ or [])))


@makes
def curate(opened: Run, words: str) -> None:
    """Gather pictures, teach, and split: the data folders alone."""
    from haiga.pipeline import data, tables

    data.make_data(opened)
    tables.funnel(opened)
    _say(f"Next: haiga train {words}")


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

    _do(data.estimate if estimate else data.write, recipe, set_, workdir)


@reads
def audit(opened: Run, words: str) -> None:
    """Where chosen and rejected answers differ, before anything is trained on them."""
    from haiga.pipeline import audit, tables

    tables.audit(audit.require(opened))
    _say(f"Next: haiga train {words}")


@makes
def train(opened: Run, words: str) -> None:
    """The stages, on data that is there."""
    from haiga.pipeline import models, ranks

    with ranks.first_ahead():
        models.prepare(opened)
    models.train(opened)
    if ranks.alone():
        _say(f"Next: haiga evaluate {words}")


@reads
def evaluate(opened: Run, words: str) -> None:
    """Every stage under every condition, on the held-out pictures."""
    from haiga.pipeline import judge, tables

    judge.evaluate(opened)
    tables.summary(opened)
    _say(f"Next: haiga report {words}")


@reads
def report(opened: Run, words: str) -> None:
    """One HTML file of what was run and what it shows."""
    from haiga.pipeline import judge

    path = judge.report(opened)
    _say(f"Report: {path}", f"Next: {judge.next_command(opened)}")


@app.command()
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
            _say(str(error), error=True)
        else:
            _say(*([f"{name}:"] if len(pictures) > 1 else []), text)
    if failed:
        raise typer.Exit(2)


@app.command()
def export(
    model: ModelPath,
    folder: Annotated[Path, typer.Argument(help="A new folder.", metavar="FOLDER")],
) -> None:
    """A standard checkpoint, reloaded and compared before it is called done."""
    from haiga.serving.opened import export as export_model

    export_model(model, folder)
    _say(f"{folder} loads as AutoModelForImageTextToText and writes the same as {model}.")


def _do(
    part: Part,
    recipe: Path,
    overrides: list[str] | None,
    workdir: Path,
    *,
    dry_run: bool = False,
    rebuild: bool = False,
) -> None:
    """A command on the run of a recipe that is in order, once what it needs is there."""
    from haiga.pipeline import ranks, run, standing, tables
    from haiga.pipeline.check import check as check_recipe
    from haiga.recipe.load import load

    if (dry_run or part.__name__ not in SHARED) and not ranks.alone():
        return
    loaded = load(recipe, overrides or [])
    check_recipe(loaded)
    opened = run.open_run(loaded, workdir, rebuild=rebuild)
    words = _words(recipe, overrides, workdir)
    standing.require(opened, part.__name__, words)
    if dry_run:
        tables.standing(standing.standing(opened))
        _say("Nothing was done.")
        return
    run.keep_recipe(opened)
    part(opened, words)


def _words(recipe: Path, overrides: list[str] | None, workdir: Path = RUNS) -> str:
    """What a next command must be given to speak of the same run."""
    words = [str(recipe)]
    for override in overrides or []:
        words += ["--set", override]
    if workdir != RUNS:
        words += ["--workdir", str(workdir)]
    return shlex.join(words)


def _say(*lines: str, error: bool = False) -> None:
    for line in lines:
        print(line, file=sys.stderr if error else sys.stdout, flush=True)


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
        _say(*[sentence] if sentence else [], error=True)
        return 2
    if code == 130:
        _say("Stopped. The same command goes on from here.", error=True)
    return code
