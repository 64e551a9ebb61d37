"""What a stage has learned from pairs, on held-out ones: did the chosen answer gain more?

    evaluation/preferences/<stage>.json    what was found, and every pair's log-probabilities

An answer's gain is log pi(y) - log pi_0(y), in nats: how much likelier the stage makes it than the
model that it started from. That is the implicit reward of Rafailov et al. (2023) before its beta.
A pair's margin is the gain of its chosen answer less that of its rejected one, and 0 before the
first step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from haiga.errors import DataError
from haiga.evaluation.checks import Part, score
from haiga.records import Group, Score
from haiga.statistics.intervals import bootstrap_mean
from haiga.store.files import read_json, write_json

FOLDER: Final = "preferences"
Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Likely:
    """How likely a model makes the answers of one group, in the order of its answers."""

    logps: tuple[float, ...]
    """Each answer's log-probability, summed over its tokens, in nats."""
    tokens: tuple[int, ...]
    """The tokens of each that were summed."""


def judge(
    stage: str,
    key: str,
    groups: Sequence[Group],
    now: Mapping[str, Likely],
    before: Mapping[str, Likely],
    folder: Path,
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """What `stage` has learned, written under `folder`, the run's `evaluation/`.

    Args:
        stage: names the file.
        key: stands for all that the result hangs on; it is kept beside it.
        groups: held-out, two-sided; the k-th chosen answer and the k-th rejected one are a pair.
        now: group id -> how likely the stage makes its answers.
        before: the same by the model that it started from. A group that either of the two lacks
            could not be read (it is too long for the stage) and is counted as `unread`.
        seed: of the bootstrap.

    Returns:
        Scores (mean, low, high, n: 95 %, pictures are clusters), each over all pairs:
        "preferred", the share whose chosen answer gained more (a tie is no success); "margin" and
        "margin_per_token", by how much; "chosen_gain"; "likelier" and "likelier_before", the share
        whose chosen answer is likelier per token under the stage and under its start. Then
        "unread", groups; and "rows", the pairs.

    Raises:
        DataError: no pair could be read.
    """
    known = [group for group in groups if group.id in now and group.id in before]
    rows = [row for group in known for row in _rows(group, now[group.id], before[group.id])]
    if not rows:
        raise DataError(
            f"{stage} cannot be judged by pairs: of {len(groups)} held-out groups with a chosen "
            "and a rejected answer none could be read. Hold out more, or raise max_tokens."
        )
    found: dict[str, Any] = {"key": key}
    found |= {name: asdict(each) for name, each in _scores(rows, seed).items()}
    found |= {"unread": len(groups) - len(known), "rows": rows}
    write_json(folder / FOLDER / f"{stage}.json", found)
    return found


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """stage -> what `judge` has left under `folder`."""
    return {path.stem: read_json(path) for path in sorted((folder / FOLDER).glob("*.json"))}


def margins(rows: Sequence[Row], *, per_token: bool) -> list[float]:
    """The margin of each pair in nats, of whole answers or per token."""
    return [_gain(row["chosen"], per_token) - _gain(row["rejected"], per_token) for row in rows]


def _rows(group: Group, now: Likely, before: Likely) -> list[Row]:
    cluster = group.cluster or "/".join(p.id for p in group.pictures) or group.id
    sides = [
        [
            {"text": a.text, "before": before.logps[at], "now": now.logps[at], "tokens": tokens}
            for at, (a, tokens) in enumerate(zip(group.answers, now.tokens, strict=True))
            if a.kind == kind
        ]
        for kind in ("chosen", "rejected")
    ]
    return [
        {"id": group.id, "cluster": cluster, "chosen": chosen, "rejected": rejected}
        for chosen, rejected in zip(*sides, strict=True)
    ]


def _scores(rows: Sequence[Row], seed: int) -> dict[str, Score]:
    clusters = [row["cluster"] for row in rows]
    whole = margins(rows, per_token=False)
    shares = {
        "preferred": [margin > 0 for margin in whole],
        "likelier": _likelier(rows, "now"),
        "likelier_before": _likelier(rows, "before"),
    }
    means = {
        "margin": whole,
        "margin_per_token": margins(rows, per_token=True),
        "chosen_gain": [_gain(row["chosen"], False) for row in rows],
    }
    found = {name: _share(right, clusters, seed) for name, right in shares.items()}
    for name, values in means.items():
        found[name] = bootstrap_mean(np.array(values), clusters, seed=seed)
    return found


def _share(right: Sequence[bool], clusters: Sequence[str], seed: int) -> Score:
    found = score([Part(each) for each in right], clusters, seed=seed)
    assert found is not None, "every pair has a part"
    return found


def _likelier(rows: Sequence[Row], when: str) -> list[bool]:
    sides = [[row[s][when] / row[s]["tokens"] for s in ("chosen", "rejected")] for row in rows]
    return [chosen > rejected for chosen, rejected in sides]


def _gain(side: Mapping[str, Any], per_token: bool) -> float:
    gain: float = side["now"] - side["before"]
    return gain / side["tokens"] if per_token else gain
