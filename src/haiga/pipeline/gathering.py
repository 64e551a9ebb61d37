"""00_raw of a run, and of a set that it is held against: gathered once, and looked at again.

Where the files of a source are no longer those that were gathered, the data folders are made again;
what is measured and what was answered stays. What was trained on the old data would not belong to
the new: a run that has trained stops instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from haiga import sources
from haiga.curation import listing
from haiga.curation import run as curation
from haiga.errors import DataError, DriftError
from haiga.events import Event
from haiga.pipeline.run import DATA, Run
from haiga.recipe.bind import bind
from haiga.recipe.names import listed
from haiga.store import Folder
from haiga.store.files import plain

RAW: Final = DATA[0]
_FILES: Final = "files"
"""The option of such a folder that stands for the files of its source."""


def gather(
    run: Run, folder: Folder, component: Mapping[str, Any], path: str, options: Mapping[str, Any]
) -> None:
    """Gather what a source finds, unless that is done and its files are still the same.

    Args:
        folder: to be filled: the run's 00_raw, or that of another set.
        component: the source, as it stands in the recipe at `path`.
        options: what the rows depend on besides the files of the source.

    Raises:
        DriftError: it is complete and was made otherwise; or the files have changed, and a stage
            was trained on them.
    """
    source = bind(sources.SOURCES, component, path)
    notes = sources.NOTES.get(component["name"])
    total: dict[str, int] = {}

    def found(skip: int) -> Iterator[sources.Found]:
        for text, count in notes(**source.keywords) if notes else ():
            run.emit({"kind": "note", "stage": folder.path.name, "text": text})
            total["total"] = count
        return source(run.recipe.seed, run.recipe.language, skip)

    def emit(event: Event) -> None:
        run.emit({**total, **event} if event["kind"] == "progress" else event)

    files = _files(component["name"], source.keywords)
    made = _as_made(folder, options)
    if made is not None and (changes := _changes(run, folder, files)):
        _make_way(run, folder, changes)
        made = None
    wanted = (
        made
        if made is not None
        else {**options, **({_FILES: listing.mark(files)} if files else {})}
    )
    if folder.is_complete(RAW, wanted, {}):
        return
    if files:
        listing.keep(folder, files, {})
    curation.gather(found, folder, wanted, emit)
    if files:
        listing.keep(folder, files, listing.held(folder, files))


def _files(name: str, options: Mapping[str, Any]) -> dict[str, listing.File]:
    """The files of a source as they are; none where it has none, or they are not here."""
    if name not in sources.FILES:
        return {}
    try:
        return listing.look(sources.FILES[name](**options))
    except DataError:
        return {}


def _as_made(folder: Folder, options: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The options of a folder that was made of these, whatever the files were."""
    made = folder.manifest()
    if made is None or {**made.options, _FILES: 0} != {**plain(options), _FILES: 0}:
        return None
    return made.options


def _changes(run: Run, folder: Folder, files: Mapping[str, listing.File]) -> listing.Changes | None:
    """What has changed since the folder was made, where that is known."""
    before = listing.known(folder)
    if not before:
        return None
    if not files:
        text = "the files of the source are not here; what was gathered of them stays"
        run.emit({"kind": "note", "stage": folder.path.name, "text": text})
        return None
    changes = listing.between(before, files)
    if (
        not changes
        and not folder.only_seen
        and any(before[name].time != file.time for name, file in files.items())
    ):
        listing.keep(folder, files, {name: each.held for name, each in before.items()})
    return changes


def _make_way(run: Run, folder: Folder, changes: listing.Changes) -> None:
    """Take the manifests of all data folders away, its own last: a kill may come in between.

    Raises:
        DriftError: a stage was trained on what it holds, and the run does not rebuild.
    """
    trained = [name for name in run.recipe.stage if any(run.stage(name).glob("*.json"))]
    if trained and not run.rebuild:
        raise DriftError(
            f"The files of the source are not those that {folder.path} was made of: {changes}. "
            f"What was trained on them ({listed(trained)}) would not belong to the new data. "
            "`haiga train` goes on with what was gathered, --rebuild makes everything anew, and "
            "another --workdir keeps both."
        )
    text = f"since the source was gathered, {changes}; only what is new is measured"
    run.emit({"kind": "note", "stage": folder.path.name, "text": text})
    for made in [*(run.data(stage) for stage in reversed(DATA) if stage != RAW), folder]:
        made.forget()
