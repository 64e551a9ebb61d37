"""The concept balance of a recipe: what its concepts are, and what came of the cap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from haiga import store
from haiga.curation.balance import balanced
from haiga.curation.concepts import CONCEPTS, Seeing
from haiga.errors import HaigaError
from haiga.pipeline import gating
from haiga.pipeline.run import Run, checkpoint
from haiga.recipe.bind import bind
from haiga.recipe.curating import Balance
from haiga.store.files import read_json, write_json

FACTS: Final = "balance.json"
"""In data/: what came of the cap."""
_PATH: Final = "curate.balance.concepts"


def options(run: Run) -> dict[str, Any]:
    """What 04_final depends on besides its split."""
    section = run.recipe.curate.balance
    return {"balance": section.model_dump(mode="json")} if section is not None else {}


def facts(run: Run) -> dict[str, Any]:
    """What came of the cap, see `curation.balance.realised`; nothing where there is none."""
    if run.recipe.curate.balance is None:
        return {}
    found: dict[str, Any] = read_json(run.folder / "data" / FACTS) or {}
    return found


def faults(section: Balance) -> Iterator[str]:
    """What is wrong with the balance of a recipe."""
    try:
        bind(CONCEPTS, section.concepts, _PATH)
        if "tower" in section.concepts:
            checkpoint(section.concepts["tower"])
    except HaigaError as error:
        yield f"{_PATH}: {error}" if _PATH not in str(error) else str(error)


def balance(run: Run) -> Callable[[Sequence[Mapping[str, Any]]], Mapping[str, str]] | None:
    """Gives the rows of a training split that are too many; None where all may stay."""
    section = run.recipe.curate.balance
    return None if section is None else lambda rows: _balanced(run, section, rows)


def _balanced(run: Run, section: Balance, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    texts = [
        "\n".join(each["text"] for each in row["answers"] if each["task"] in section.tasks)
        for row in rows
    ]
    files = store.PictureFiles(run.data("00_raw").path)
    seeing = Seeing(lambda name: gating.encoders(run)(name), files, run.recipe.seed)
    concepts = bind(CONCEPTS, section.concepts, _PATH)(rows, texts, seeing)
    out, found = balanced(
        [row["id"] for row in rows],
        concepts,
        section.method,
        cap=section.cap,
        keep_unmatched=section.unmatched == "keep",
        seed=run.recipe.seed,
    )
    write_json(run.folder / "data" / FACTS, found)
    text = (
        f"{found['kept']:,} of {found['rows']:,} rows stay to learn from; of "
        f"{found['above_cap_before']} concepts above the cap of {section.cap}, "
        f"{found['above_cap_after']} still are, the worst {found['worst']:.1f} times"
    )
    run.emit({"kind": "note", "stage": "04_final", "text": text})
    return out
