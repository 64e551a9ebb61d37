"""The command on documents in which pictures stand among texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from haiga.cli.base import begin, say


def assign(
    documents: Annotated[
        str, typer.Argument(help="A file, a folder, or a pattern.", metavar="DOCUMENTS")
    ],
    folder: Annotated[Path, typer.Argument(help="Where they are written.", metavar="FOLDER")],
    tower: Annotated[str, typer.Option(help="A CLIP, a SigLIP or their kin.")],
    form: Annotated[str, typer.Option(help="What they are: obelics or mmc4.")] = "obelics",
    to: Annotated[str | None, typer.Option(help="What they become, if that is another.")] = None,
    method: Annotated[
        str, typer.Option(help="one: a text has one picture at most; many: several.")
    ] = "one",
    minimum: Annotated[float, typer.Option(help="The cosine that a picture must exceed.")] = 0.0,
) -> None:
    """Pictures of documents, each to the text that it is like."""
    begin(f"opening {tower}")
    from haiga.curation.interleave import How
    from haiga.pipeline import assigning, tables
    from haiga.sources.url_list import Fetching

    fetching = Fetching(cache=str(folder / "fetched"))
    path, tally = assigning.assign(
        documents, folder, tower, How(form, to or form, method, minimum, fetching)
    )
    tables.assigned(tally)
    say(f"Documents: {path}", f'Next: a recipe with source.name = "{to or form}" and this as data')
