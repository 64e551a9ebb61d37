"""Where pictures come from. One file and one line in the table for each source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from haiga.sources import conversations, preferences
from haiga.sources.base import SERIES, Found
from haiga.sources.captioned import CAPTIONED
from haiga.sources.datacomp import datacomp, row_counts
from haiga.sources.documents import MMC4, OBELICS, documents
from haiga.sources.floating_world import floating_world
from haiga.sources.folder import folder, folder_files, passed_over
from haiga.sources.hub import hub, table_files
from haiga.sources.met import clause_counts, met
from haiga.sources.url_list import url_list
from haiga.sources.video import clip_files, video
from haiga.sources.webdataset import shard_files, webdataset
from haiga.world import CAPTIONS_VERSION, PRINTER_VERSION

SOURCES: dict[str, Callable[..., Iterator[Found]]] = {
    "floating_world": floating_world,
    "folder": folder,
    "captioned": partial(hub, CAPTIONED),
    "messages": partial(hub, conversations.MESSAGES),
    "llava": partial(hub, conversations.LLAVA),
    "rlaif_v": partial(hub, preferences.RLAIF_V),
    "rlhf_v": partial(hub, preferences.RLHF_V),
    "vlfeedback": partial(hub, preferences.VLFEEDBACK),
    "povid": partial(hub, preferences.POVID),
    "llava_rlhf": partial(hub, preferences.LLAVA_RLHF),
    "mmpr": partial(hub, preferences.MMPR),
    "webdataset": webdataset,
    "url_list": url_list,
    "video": video,
    "datacomp": datacomp,
    "obelics": partial(documents, OBELICS),
    "mmc4": partial(documents, MMC4),
    "met": met,
}
"""Name -> `(seed, language, skip, *, options)`: what it finds, in an order that is always the same;
the first `skip` things are already at home."""

FILES: dict[str, Callable[..., Iterator[tuple[str, Path]]]] = {
    "folder": folder_files,
    "video": clip_files,
    "webdataset": shard_files,
    **{
        name: table_files
        for name, source in SOURCES.items()
        if isinstance(source, partial) and source.func is hub
    },
}
"""Of what lies on this machine: each file that a source reads, by its name inside the source, from
its options. What such a source has gathered is looked at again when a run goes on."""

VERSIONS: dict[str, Mapping[str, int]] = {
    "floating_world": {"printer": PRINTER_VERSION, "captions": CAPTIONS_VERSION},
}
"""Of what a source makes by itself; a folder of another version is not gone on with."""

NOTES: dict[str, Callable[..., Iterator[tuple[str, int]]]] = {
    "folder": passed_over,
    "met": clause_counts,
    "datacomp": row_counts,
}
"""Of what a source can say before it begins, in lines, from its options; each line has a number,
and the last one's is how many things will come."""

__all__ = ["NOTES", "SERIES", "SOURCES", "VERSIONS", "Found"]
