"""What the commands share: the words that they take, and a recipe's run opened for one of them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from haiga.pipeline.run import Run

RecipePath = Annotated[Path, typer.Argument(help="A recipe, a TOML file.", metavar="RECIPE")]
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
LOOKS = ("report", "label", "rows")
"""Commands that may look at a run while another works at it."""


Part: TypeAlias = Callable[["Run", str], None]
"""What a command does with a run; the text is how the next command must be asked for the same."""


def do(
    part: Part,
    recipe: Path,
    overrides: list[str] | None,
    workdir: Path,
    *,
    dry_run: bool = False,
    rebuild: bool = False,
) -> None:
    """A command on the run of a recipe that is in order, once what it needs is there."""
    from haiga.recipe.load import load

    loaded = load(recipe, overrides or [])
    begin(f"{recipe} in {workdir / loaded.name}")
    from haiga.pipeline import ranks, run, standing, tables
    from haiga.pipeline.check import check as check_recipe

    if (dry_run or part.__name__ not in SHARED) and not ranks.alone():
        return
    check_recipe(loaded)
    opened = run.open_run(loaded, workdir, rebuild=rebuild)
    words = words_of(recipe, overrides, workdir)
    standing.require(opened, part.__name__, words)
    if dry_run:
        tables.standing(standing.standing(opened))
        say("Nothing was done.")
        return
    looks = part.__name__ in LOOKS or not ranks.first()
    with nullcontext() if looks else run.at_work(opened):
        run.keep_recipe(opened)
        part(opened, words)


def begin(text: str) -> None:
    """What a command is at, said at once, to a person alone: what it imports takes seconds."""
    if sys.stderr.isatty():
        say(f"{text} …", error=True)


def words_of(recipe: Path, overrides: list[str] | None, workdir: Path = RUNS) -> str:
    """What a next command must be given to speak of the same run."""
    words = [str(recipe)]
    for override in overrides or []:
        words += ["--set", override]
    if workdir != RUNS:
        words += ["--workdir", str(workdir)]
    return shlex.join(words)


def say(*lines: str, error: bool = False) -> None:
    """Lines to stdout, or to stderr."""
    for line in lines:
        print(line, file=sys.stderr if error else sys.stdout, flush=True)
