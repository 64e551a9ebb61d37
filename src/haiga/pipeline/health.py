"""The health of a run's data: health.json, and health.html with what stayed and what left."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from haiga import store
from haiga.curation import review
from haiga.curation.health import Counts, summary
from haiga.pipeline import balancing, gating
from haiga.pipeline.run import DATA, Run
from haiga.store.files import read_json, write_json

VERSION: Final = 1
"""Of what is counted and shown."""
EXAMPLES: Final = 6
"""Of each reason, the first so many."""
KEPT: Final = 12
"""Pictures that stayed, the first so many: nobody chose them."""
PAGE: Final = "health.html"
_QUIET: Final = frozenset({"phash", "fine", "unsafe"})
"""Measurements that say nothing to a person."""


def look(run: Run) -> Path:
    """The page on the run's data, made anew where the data are other than when it was made.

    The data folders must be complete.
    """
    page, path = run.folder / PAGE, run.folder / "health.json"
    made_of = {
        "version": VERSION,
        "review": {key: each.accept for key, each in gating.decisions(run).items()},
        **{stage: run.data(stage).fingerprint() for stage in DATA},
    }
    before = read_json(path)
    if page.exists() and before is not None and before["made_of"] == made_of:
        return page
    found = {"made_of": made_of, "name": run.recipe.name, **_counted(run)}
    # Here, because it brings matplotlib with it.
    from haiga.reporting.health import write_page

    write_page(found, _gallery(run), page)
    write_json(path, found)
    return page


def _counted(run: Run) -> dict[str, Any]:
    kept, gathered = Counts(), Counts()
    # What balance left out of 04_final is not among its rows, and is named in its own folder.
    out = {row["id"] for row in run.data("04_final").dropped()}
    for row in run.data("03_quality_checked").rows():
        if row["id"] not in out:
            kept.row(row)
    filtered = run.data("01_filtered")
    for rows in (filtered.rows(), filtered.dropped()):
        for row in rows:
            for measured in json.loads(row["measurements"]).values():
                gathered.picture(measured)
    return {
        **summary(kept, gathered),
        "stages": [_stage(run, name) for name in DATA],
        "set_aside": _set_aside(run),
        "similarity": read_json(run.data(gating.STAGE).path / gating.FACTS) or {},
        "balance": balancing.facts(run),
        "review": _reviewed(run),
    }


def _stage(run: Run, name: str) -> dict[str, Any]:
    manifest = store.require_manifest(run.data(name).path)
    return {
        "stage": name,
        **manifest.counts,
        "reasons": dict(manifest.reasons),
        "quality": manifest.quality,
        "seconds": manifest.seconds,
    }


def _set_aside(run: Run) -> dict[str, dict[str, int]]:
    """Stage -> reason -> texts that left while their rows stayed."""
    found: dict[str, Counter[str]] = {name: Counter() for name in DATA[1:4]}
    for name, counted in found.items():
        for row in run.data(name).rows():
            counted.update(reason for _, reason in _left(row, name))
    return {name: dict(each.most_common()) for name, each in found.items() if each}


def _left(row: Mapping[str, Any], stage: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The texts that a stage took from a row that it kept, each with the reason."""
    if stage == "01_filtered" and row["caption_fault"]:
        yield {"text": row["caption"]}, f"the source's caption: {row['caption_fault']}"
    if stage == "02_captioned":
        yield from (({"text": each}, "a call to the teacher failed") for each in row["failures"])
    if stage == "03_quality_checked":
        for each in row["set_aside"] or ():
            yield each, f"{each['task']}: {each['reason']}"


def _reviewed(run: Run) -> dict[str, int]:
    decided = gating.decisions(run).values()
    path = run.folder / "data" / review.NAME
    accepted = sum(each.accept for each in decided)
    return {
        "waiting": review.count(path) - len(decided),
        "accepted": accepted,
        "rejected": len(decided) - accepted,
    }


def _gallery(run: Run) -> dict[str, list[dict[str, Any]]]:
    """ "kept", and "stage: reason" -> the first few of them, with their pictures and numbers."""
    files = store.PictureFiles(run.data("00_raw").path)
    kept: list[dict[str, Any]] = []
    found: dict[str, list[dict[str, Any]]] = {"kept": kept}
    for row in run.data("03_quality_checked").rows():
        if len(kept) == KEPT:
            break
        if row["pictures"]:
            kept.append(_example(row, row["answers"][0], files))
    for name in DATA:
        for row in run.data(name).dropped():
            _show(found, f"{name}: {row['reason']}", row, _texts(row), files)
    for name in DATA[1:4]:
        for row in run.data(name).rows():
            for text, reason in _left(row, name):
                _show(found, f"{name}: {reason}", row, [text], files)
    return found


def _texts(row: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    own = [*(row.get("answers") or ()), *(row.get("set_aside") or ())]
    return own or [{"text": row.get("caption") or ""}]


def _show(
    found: dict[str, list[dict[str, Any]]],
    name: str,
    row: Mapping[str, Any],
    texts: Sequence[Mapping[str, Any]],
    files: Mapping[str, bytes],
) -> None:
    shown = found.setdefault(name, [])
    if len(shown) < EXAMPLES:
        shown.append(_example(row, texts[0], files))


def _example(
    row: Mapping[str, Any], text: Mapping[str, Any], files: Mapping[str, bytes]
) -> dict[str, Any]:
    ids = row.get("pictures") or []
    measured = json.loads(row.get("measurements") or "{}")
    numbers = dict(measured.get(ids[0], {})) if ids else {}
    for name in ("similarity", "duplicate_of"):
        value = text.get(name) if name == "similarity" else row.get(name)
        if value is not None:
            numbers[name.replace("_", " ")] = value
    # What could not be measured may end, or hold up, whatever process decodes it: not this one.
    readable = ids and "error" not in numbers
    return {
        "id": row["id"],
        "picture": files[ids[0]] if readable else None,
        "measured": {key: value for key, value in numbers.items() if key not in _QUIET},
        "text": text.get("text") or "",
        "language": row.get("language") or "",
    }
