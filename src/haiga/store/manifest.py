"""What a finished stage folder says about itself, and how two plans differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from haiga.errors import DriftError, StoreError
from haiga.store.files import canonical, fingerprint, plain, read_json

ABSENT: Final = "(absent)"


@dataclass(frozen=True)
class Manifest:
    """The last file of a stage folder; with it, the folder is complete."""

    stage: str
    options: Mapping[str, Any]
    parents: Mapping[str, str]
    """Name of each parent folder -> the fingerprint in its manifest."""
    code: str
    """The version of the stage's code, raised by hand when its results change."""
    fingerprint: str
    """Of stage, options, parents and code."""
    counts: Mapping[str, int]
    """"in", "kept" and "dropped"; in = kept + dropped."""
    reasons: Mapping[str, int]
    """Reason -> dropped rows, the most frequent first."""
    quality: float | None
    """Mean of the kept rows' `quality` column; None where they have none."""
    seconds: float
    """Wall time of the work, over all sessions that it took."""
    made_at: str
    """UTC, ISO 8601."""
    notes: Sequence[str] = ()
    """What a person should know of how it was made; mostly nothing."""


def plan(stage: str, options: Mapping[str, Any], parents: Mapping[str, str], code: str) -> dict:
    """What is about to be made, as plain values with their fingerprint."""
    what = plain({"stage": stage, "options": options, "parents": parents, "code": code})
    return {**what, "fingerprint": fingerprint(what)}


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, or None where the folder is not complete.

    Raises:
        StoreError: there is one, and it cannot be read.
    """
    path = folder / "manifest.json"
    row = read_json(path)
    if row is None:
        return None
    names = {field.name for field in fields(Manifest)}
    if not isinstance(row, dict) or {*row, "notes"} != names:
        raise StoreError(
            f"{path} is not a manifest of this version of haiga. Delete it; the folder is then "
            "made again."
        )
    return Manifest(**{**row, "notes": tuple(row.get("notes", ()))})


def require_manifest(folder: Path) -> Manifest:
    """The manifest of a folder that is about to be read.

    Raises:
        StoreError: the folder does not exist, or has no manifest.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        what = "is not complete: it has no manifest.json" if folder.is_dir() else "does not exist"
        raise StoreError(f"{folder} {what}. Run the stage that makes it to its end first.")
    return manifest


def matches(folder: Path, wanted: Mapping[str, Any], rebuild: bool = False) -> bool:
    """Whether a folder is complete and was made as `wanted` (see `plan`) says.

    Raises:
        DriftError: it is complete and was made otherwise, and `rebuild` is not set.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return False
    if manifest.fingerprint == wanted["fingerprint"]:
        return True
    if rebuild:
        return False
    raise DriftError(_drift(folder, manifest, wanted))


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Path, old and new value of every leaf in which two plain values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(key, old.get(key, ABSENT), new.get(key, ABSENT)) for key in {**old, **new}]
    elif isinstance(old, list) and isinstance(new, list):
        count = max(len(old), len(new))
        padded = [list(each) + [ABSENT] * (count - len(each)) for each in (old, new)]
        pairs = [(str(index), *pair) for index, pair in enumerate(zip(*padded, strict=True))]
    else:
        # Compared as JSON, because Python holds 1, 1.0 and True for equal.
        if canonical(old) != canonical(new):
            yield path, old, new
        return
    for key, before, after in pairs:
        yield from differences(before, after, f"{path}.{key}" if path else key)


def _drift(folder: Path, manifest: Manifest, wanted: Mapping[str, Any]) -> str:
    before = {name: getattr(manifest, name) for name in ("stage", "options", "parents", "code")}
    after = {name: wanted[name] for name in before}
    lines = [_change(*each) for each in differences(before, after)]
    if not lines:
        lines = [f"fingerprint: it was {manifest.fingerprint}, now {wanted['fingerprint']}"]
    return "\n".join(
        [
            f"{folder} is complete, but was made otherwise than is asked for now:",
            *(f"  {line}" for line in lines),
            "Change it back, or add --rebuild, which makes this and what follows from it again and "
            "keeps what teachers were paid for; another --workdir is a run of its own, from the "
            "start.",
        ]
    )


def _change(path: str, old: Any, new: Any) -> str:
    first, _, rest = path.partition(".")
    if first == "parents":
        return f"{path}: its parent {rest} has been made anew (it was {old}, now it is {new})"
    return f"{path}: it was {_shown(old)}, now it is {_shown(new)}"


def _shown(value: Any) -> str:
    return value if value is ABSENT else repr(value)
