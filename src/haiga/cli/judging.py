"""The commands that look at what was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from haiga.cli.base import RUNS, Overrides, Part, RecipePath, Workdir, do, say

if TYPE_CHECKING:
    from haiga.pipeline.run import Run


def evaluate(
    recipe: RecipePath,
    set_: Overrides = None,
    workdir: Workdir = RUNS,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what judges would cost; ask nothing.")
    ] = False,
) -> None:
    """Every stage under every condition, on the held-out pictures, and before the judge."""
    from haiga.pipeline import rating

    do(rating.estimate if estimate else _evaluating(), recipe, set_, workdir)


def label(
    recipe: RecipePath,
    set_: Overrides = None,
    workdir: Workdir = RUNS,
    by: Annotated[str, typer.Option(help="Who labels; each has a sheet of their own.")] = "me",
    count: Annotated[int, typer.Option(min=1, help="Pairs to label.")] = 50,
    port: Annotated[int, typer.Option(min=0, help="0 takes one that is free.")] = 0,
) -> None:
    """A page on this machine on which a person says which of two answers is better, blind."""
    from haiga.pipeline import labelling, rating, tables

    def label(opened: Run, words: str) -> None:
        labelled = labelling.label(opened, by, count=count, port=port)
        say(f"{labelled} of {count} pairs are labelled by {by}.")
        tables.people(rating.measure(opened))
        say(f"Next: haiga report {words}")

    do(label, recipe, set_, workdir)


def end_if_refused(run: Run) -> None:
    """End with 2 where what a judge said is no headline, and say why."""
    from haiga.pipeline import claiming, rating

    found = [why for why in (rating.refused(run), claiming.refused(run)) if why is not None]
    for why in found:
        say(why, error=True)
    if found:
        raise typer.Exit(2)


def _evaluating() -> Part:
    def evaluate(opened: Run, words: str) -> None:
        from haiga.pipeline import judge, tables

        judge.evaluate(opened)
        tables.summary(opened)
        say(f"Next: haiga report {words}")
        end_if_refused(opened)

    return evaluate
