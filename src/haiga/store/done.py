"""Manifests of folders that hold no rows: a base model, a trained stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def complete(
    folder: Path,
    stage: str,
    options: Mapping[str, Any],
    parents: Mapping[str, str],
    *,
    seconds: float,
    code: str = "1",
) -> Manifest:
    """Write the manifest of a folder whose files are all there: the last thing that is written."""
    return finish(folder, plan(stage, options, parents, code), [], None, seconds)
