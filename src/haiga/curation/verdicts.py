"""Which rows go for their pictures: by rule, for standing in another set, or as duplicates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from haiga.curation import duplicates, pictures
from haiga.curation.hamming import near_pairs

Verdict: TypeAlias = dict[str, str]
"""Why a row must go ("reason"), or the "cluster" that it belongs to."""


class Alike(NamedTuple):
    """What an encoder finds alike among pictures."""

    pairs: NDArray[np.int64]
    """(P, 2), each i < j, places in the list of pictures."""
    cosine: float
    """From which on two pictures show the same."""
    faults: Mapping[int, str]
    """Pictures that it could not open, and why."""


@dataclass(frozen=True)
class Sameness:
    """When two pictures are the same."""

    hamming: int
    """Where their hashes differ in at most so many bits."""
    alike: Callable[[Sequence[str]], Alike] | None = None
    """Of pictures by id; None where nobody asks an encoder."""
    fine: int | None = None
    """Where their finer hashes differ in at most so many, too; None: these are not asked."""


class _Row(NamedTuple):
    """A row that stands, as far as its duplicates are concerned."""

    at: int
    id: str
    pictures: tuple[str, ...]
    hashes: tuple[str, ...]
    asks: bool
    """Whether it has a question of its own; then it is worth something beside its likeness."""
    mute: bool
    """Whether its source says nothing about it: a copy that has words stays in its place."""


def verdicts(
    rows: Iterable[Mapping[str, Any]],
    values: Mapping[str, Mapping[str, Any]],
    rules: Sequence[pictures.Rule],
    same: Sameness,
    others: Mapping[str, NDArray[np.uint64]],
) -> list[Verdict]:
    """What becomes of each row; what another set shows goes before duplicates are looked for.

    Args:
        rows: of 00_raw, read once.
        values: what was measured of each picture.
        rules: for pictures, in their order.
        same: when a row repeats another.
        others: name of another set -> the hashes of its pictures.
    """
    found: list[Verdict] = []
    standing: list[_Row] = []
    for at, row in enumerate(rows):
        found.append({"cluster": row["id"]})
        measured = [values[id_] for id_ in row["pictures"]]
        if reason := pictures.fault(measured, rules):
            found[at] = {"reason": reason}
        elif measured:
            hashes = tuple(each["phash"] + each.get("fine", "") for each in measured)
            asks = bool(row.get("conversation"))
            mute = not (asks or row.get("caption"))
            standing.append(_Row(at, row["id"], tuple(row["pictures"]), hashes, asks, mute))
    standing.sort(key=lambda row: row.mute)  # the first of what is alike stays
    for name, theirs in others.items():
        for at in (shown := _shown(standing, theirs, same.hamming)):
            found[at] = {"reason": f"also in {name} (Hamming <= {same.hamming})"}
        standing = [row for row in standing if row.at not in shown]
    finer = "" if same.fine is None else f", and <= {same.fine} of 256"
    repeats = f"near-duplicate (Hamming <= {same.hamming}{finer})"
    links = duplicates.find([row.hashes for row in standing], same.hamming, same.fine)
    _fall(found, standing, links, repeats)
    if same.alike is not None:
        _look_alike(found, [row for row in standing if "reason" not in found[row.at]], same.alike)
    return found


def _fall(
    found: list[Verdict], rows: Sequence[_Row], links: tuple[list[int], list[int]], reason: str
) -> None:
    """Note in `found` who falls to whom, and the cluster of the rest."""
    for row, twin, cluster in zip(rows, *links, strict=True):
        found[row.at] = {"cluster": found[rows[cluster].at]["cluster"]}
        if twin >= 0 and not row.asks:
            same = row.pictures == rows[twin].pictures
            why = "same file as another" if same else reason
            found[row.at] = {"reason": why, "duplicate_of": rows[twin].id}


def _look_alike(
    found: list[Verdict], rows: Sequence[_Row], alike: Callable[[Sequence[str]], Alike]
) -> None:
    """Note in `found` what an encoder makes of the rows that are left."""
    ids = list(dict.fromkeys(id_ for row in rows for id_ in row.pictures))
    pairs, cosine, faults = alike(ids)
    unseen = {ids[at] for at in faults}
    for row in rows:
        if not unseen.isdisjoint(row.pictures):
            found[row.at] = {"reason": pictures.UNREADABLE}
    rows = [row for row in rows if unseen.isdisjoint(row.pictures)]
    place = {id_: at for at, id_ in enumerate(ids)}
    shown = [[place[id_] for id_ in row.pictures] for row in rows]
    links = duplicates.linked(shown, pairs, [found[row.at]["cluster"] for row in rows])
    _fall(found, rows, links, f"semantic duplicate (cosine >= {cosine})")


def _shown(rows: Sequence[_Row], others: NDArray[np.uint64], distance: int) -> set[int]:
    """The places of the rows of which another set shows a picture."""
    own = list(dict.fromkeys(value for row in rows for value in row.hashes))
    hashes = duplicates.coarse(own)
    pairs = near_pairs(np.concatenate([hashes, np.unique(others)]), distance)
    across = pairs[(pairs[:, 0] < len(own)) & (pairs[:, 1] >= len(own))]
    shown = {own[at] for at in across[:, 0].tolist()}
    return {row.at for row in rows if not shown.isdisjoint(row.hashes)}
