"""What a recipe says of sameness: the bits, the encoder, and the sets that may not be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from haiga import sources, store
from haiga.curation.verdicts import Alike, Sameness
from haiga.errors import HaigaError
from haiga.pipeline import gathering
from haiga.pipeline.run import Run, checkpoint
from haiga.recipe.bind import bind
from haiga.recipe.curating import Curate
from haiga.store import Folder
from haiga.store.files import write_json

STAGE: Final = "01_filtered"
FACTS: Final = "semantic.json"
"""In the folder of `STAGE`: the encoder, and how many of its pairs were found."""


def options(section: Curate) -> dict[str, Any]:
    """What 01_filtered depends on of it, where the recipe has it."""
    told = section.model_dump(mode="json", include={"semantic", "against", "fine"})
    return {name: value for name, value in told.items() if value not in (None, {})}


def sameness(run: Run) -> Sameness:
    """When two pictures of the run are the same."""
    section = run.recipe.curate
    alike = None if section.semantic is None else partial(_see, run)
    return Sameness(section.hamming, alike, section.fine)


def others(run: Run) -> dict[str, Folder]:
    """The sets none of whose pictures may stay, gathered as the run's own is."""
    folders = {}
    for name, component in run.recipe.curate.against.items():
        told = {"source": component, "language": run.recipe.language, "seed": run.recipe.seed}
        folder = run.data(f"against_{name}")
        gathering.gather(run, folder, component, f"curate.against.{name}", told)
        folders[name] = folder
    return folders


def faults(section: Curate) -> Iterator[str]:
    """What is wrong with it in a recipe."""
    if section.against and section.hamming < 0:
        yield "curate.hamming: below 0 no picture is another's, also where curate.against asks"
    for name, component in section.against.items():
        try:
            bind(sources.SOURCES, component, f"curate.against.{name}")
        except HaigaError as error:
            yield str(error)
    if section.semantic is not None:
        try:
            checkpoint(section.semantic.tower)
        except HaigaError as error:
            yield f"curate.semantic.tower: {error}"


def _see(run: Run, ids: Sequence[str]) -> Alike:
    from haiga.curation.embeddings import Encoder  # torch, and so is the next
    from haiga.curation.semantic import near

    section = run.recipe.curate.semantic
    assert section is not None
    encoder = Encoder(section.tower, checkpoint(section.tower), run.folder / "features")
    faults = encoder.see(ids, store.PictureFiles(run.data("00_raw").path))
    seen = [at for at, id_ in enumerate(ids) if id_ not in faults]
    made = near(encoder.pictures([ids[at] for at in seen]), section.cosine, seed=run.recipe.seed)
    facts = {
        "encoder": encoder.facts, "cosine": section.cosine, "pictures": len(seen),
        "pairs": len(made.pairs), "clusters": made.clusters, "probes": made.probes,
        "sample": {"found": made.found, "true": made.true},
        "recall": made.found / made.true if made.true else 1.0,
    }  # fmt: skip
    write_json(run.data(STAGE).path / FACTS, facts)
    how = (
        f"in {made.probes} of {made.clusters} clusters; of {made.true:,} pairs of a sample that "
        f"was compared with all, {made.found:,} were found"
        if made.clusters
        else "all compared with all"
    )
    text = (
        f"{len(made.pairs):,} pairs of {len(seen):,} pictures have a cosine of {section.cosine} or "
        f"more ({how})"
    )
    run.emit({"kind": "note", "stage": STAGE, "text": text})
    return Alike(
        np.array(seen, dtype=np.int64)[made.pairs],
        section.cosine,
        {at: faults[id_] for at, id_ in enumerate(ids) if id_ in faults},
    )
