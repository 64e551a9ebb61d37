"""Manifests of folders that hold no rows: a base model, a trained stage.

While such a folder is made, its plan.json holds the seconds spent on it so far.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from haiga.store.files import read_json, write_json
from haiga.store.folder import finish
from haiga.store.manifest import Manifest, matches, plan


def is_complete(
    folder: Path,
    stage: str,
    options: Mapping[str, Any],
    parents: Mapping[str, str],
    *,
    code: str = "1",
    rebuild: bool = False,
) -> bool:
    """Whether a folder is complete and was made of exactly this; see `Folder.is_complete`."""
    return matches(folder, plan(stage, options, parents, code), rebuild)


def begin(
    folder: Path,
    stage: str,
    options: Mapping[str, Any],
    parents: Mapping[str, str],
    *,
    code: str = "1",
) -> float:
    """Make a folder ready to be filled; returns the seconds spent on it before (see `spend`).

    What the same plan left there stays, to go on from; what another plan left is deleted, its
    manifest first.
    """
    wanted = plan(stage, options, parents, code)
    before = read_json(folder / "plan.json")
    if before is not None and before.get("fingerprint") == wanted["fingerprint"]:
        return float(before.get("seconds", 0.0))
    (folder / "manifest.json").unlink(missing_ok=True)
    if folder.is_dir():
        shutil.rmtree(folder)
    write_json(folder / "plan.json", {**wanted, "seconds": 0.0})
    return 0.0


def spend(folder: Path, seconds: float) -> None:
    """Note how long a folder has taken so far, for a session that may have to go on with it."""
    path = folder / "plan.json"
    write_json(path, {**read_json(path), "seconds": round(seconds, 3)})


def complete(
    folder: Path,
    stage: str,
    options: Mapping[str, Any],
    parents: Mapping[str, str],
    *,
    seconds: float,
    notes: Sequence[str] = (),
    code: str = "1",
) -> Manifest:
    """Write the manifest of a folder whose files are all there: the last thing that is written.

    `seconds` are those of all sessions.
    """
    wanted = plan(stage, options, parents, code)
    return finish(folder, wanted, [], None, round(seconds, 3), notes)
