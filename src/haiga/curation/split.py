"""Which rows are held out: whole clusters, chosen by a seed, in no training set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from haiga.errors import DataError


def together(rows: Sequence[tuple[str, str]]) -> list[str]:
    """The (cluster, series) of rows as one name each: clusters that share a series are one.

    "" is no series.

    The frames of a clip may look as little alike as any pictures and still give each other away.
    """
    above: dict[str, str] = {}

    def root(name: str) -> str:
        while (higher := above.setdefault(name, name)) != name:
            above[name] = name = above[higher]
        return name

    first: dict[str, str] = {}
    for cluster, each in rows:
        if each:
            above[root(cluster)] = root(first.setdefault(each, cluster))
    return [root(cluster) for cluster, _ in rows]


def split(clusters: Sequence[str], sizes: Mapping[str, int], seed: int) -> list[str]:
    """The split of each row: one of `sizes` (name -> rows wanted), else "train".

    Near-duplicates share a cluster, and a cluster never straddles a split. Clusters are taken in an
    order drawn from `seed`; one that would overfill a split is passed over.

    Raises:
        DataError: there are too few rows, or the clusters are too large for the sizes.
    """
    names = sorted(set(clusters))
    members: dict[str, int] = dict.fromkeys(names, 0)
    for cluster in clusters:
        members[cluster] += 1
    require_rows(len(clusters), sizes)
    where: dict[str, str] = {}
    left = dict(sizes)
    for at in np.random.default_rng(seed).permutation(len(names)):
        cluster = names[at]
        for name, room in left.items():
            if members[cluster] <= room:
                where[cluster] = name
                left[name] = room - members[cluster]
                break
    if short := {name: room for name, room in left.items() if room}:
        raise DataError(
            f"The split cannot be filled: {_list(short)} rows are missing, and every cluster of "
            "near-duplicates that is left is larger than that. Ask for other sizes under [split]."
        )
    return [where.get(cluster, "train") for cluster in clusters]


def require_rows(rows: int, sizes: Mapping[str, int]) -> None:
    """That so many rows can be split and some be left, whatever their clusters.

    Raises:
        DataError: nothing would be left to train on; says which sizes would fit.
    """
    if sum(sizes.values()) < rows:
        return
    if not rows:
        raise DataError(
            "No row came through curation, so that there is nothing to split. Change the rules "
            "under [curate]; pictures without words need a teacher, who writes some ([teach])."
        )
    fitting = {name: min(count, max(2, rows // 10)) for name, count in sizes.items()}
    fits = sum(fitting.values()) < rows
    less = "".join(f" --set split.{name}={count}" for name, count in fitting.items())
    raise DataError(
        f"The split asks for {sum(sizes.values())} rows ({_list(sizes)}), and only {rows} rows "
        "came through curation: nothing would be left to train on. Gather more pictures"
        + (f", or ask for less:{less}." if fits else ".")
    )


def _list(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {count}" for name, count in sizes.items())
