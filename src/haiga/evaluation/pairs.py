"""A reward model on held-out pairs: how often it prefers the chosen answer, and how sure it may be.

    evaluation/pairs/<stage>.json    what it says of every pair, and what comes of that

A margin m is a probability of sigmoid(m) that the chosen answer is preferred (Bradley and Terry
1952); a calibrated model is right as often as it says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy.special import expit

from haiga.errors import DataError
from haiga.evaluation.checks import Part, score
from haiga.records import Group
from haiga.rewards.base import Sample, Scored
from haiga.rewards.reliability import calibration_error, reliability_curve
from haiga.store.files import fingerprint, read_json, write_json

Rows: TypeAlias = list[dict[str, Any]]


def evaluate_pairs(
    stage: str,
    weights: str,
    groups: Sequence[Group],
    ask: Callable[[Sequence[Sample]], list[Scored]],
    folder: Path,
    *,
    pictures: Mapping[str, bytes],
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Score the pairs of `groups`, write what was found under `folder`, and say how good it is.

    A tie, and a pair of which an answer could not be scored, is not right. Pairs that were scored
    under the same weights are not scored again.

    Args:
        stage: names the file.
        weights: digest of the weights that score.
        groups: two-sided, as many rejected answers as chosen ones.
        ask: the reward model, from samples to scores.
        folder: the run's `evaluation/`.
        pictures: the bytes of the groups' pictures.
        seed: of the bootstrap.

    Returns:
        {"accuracy", "calibration_error"} -> mean, low, high, n.

    Raises:
        DataError: there is no pair, or no single one could be scored.
    """
    path = folder / "pairs" / f"{stage}.json"
    rows = [row for group in groups for row in _rows(group)]
    if not rows:
        raise DataError(
            f"{stage} cannot be judged: no held-out group has a chosen and a rejected answer."
        )
    key = fingerprint([weights, rows])
    known = read_json(path) or {}
    if known.get("key") == key:
        rows = known["rows"]
    else:
        _ask(rows, groups, ask, pictures)
    found = _judged(stage, rows, seed)
    write_json(path, {"key": key, **found, "rows": rows})
    return {name: found[name] for name in ("accuracy", "calibration_error")}


def read_pairs(folder: Path) -> dict[str, dict[str, Any]]:
    """stage -> what `evaluate_pairs` found, its curve too, as it was left under `folder`."""
    return {path.stem: read_json(path) for path in sorted((folder / "pairs").glob("*.json"))}


def _rows(group: Group) -> Rows:
    """The pairs of a group: its k-th chosen answer and its k-th rejected one."""
    sides = ([a.text for a in group.answers if a.kind == kind] for kind in ("chosen", "rejected"))
    cluster = group.cluster or "/".join(p.id for p in group.pictures) or group.id
    return [
        {"id": group.id, "cluster": cluster, "chosen": chosen, "rejected": rejected}
        for chosen, rejected in zip(*sides, strict=True)
    ]


def _ask(
    rows: Rows,
    groups: Sequence[Group],
    ask: Callable[[Sequence[Sample]], list[Scored]],
    pictures: Mapping[str, bytes],
) -> None:
    """Put beside each pair its margin, or why there is none."""
    by_id = {group.id: group for group in groups}
    sides = ("chosen", "rejected")
    asked = [Sample(by_id[row["id"]], row[side], pictures) for row in rows for side in sides]
    scored = ask(asked)
    for at, row in enumerate(rows):
        chosen, rejected = scored[2 * at : 2 * at + 2]
        margin, why = None, chosen.why or rejected.why
        if chosen.value is not None and rejected.value is not None:
            margin = chosen.value - rejected.value
        if margin is not None and not math.isfinite(margin):
            margin, why = None, f"The scores are {chosen.value} and {rejected.value}."
        row |= {"margin": margin, "why": why}


def _judged(stage: str, rows: Rows, seed: int) -> dict[str, Any]:
    right = [row["margin"] is not None and row["margin"] > 0 for row in rows]
    accuracy = score([Part(each) for each in right], [row["cluster"] for row in rows], seed=seed)
    scored = [row for row in rows if row["margin"] is not None]
    if accuracy is None or not scored:
        raise DataError(f"{stage} could not score a single held-out pair. {rows[0]['why']}")
    margins = np.array([row["margin"] for row in scored])
    sure, clusters = expit(np.abs(margins)), [row["cluster"] for row in scored]
    return {
        "accuracy": asdict(accuracy),
        "calibration_error": asdict(calibration_error(sure, margins > 0, clusters, seed=seed)),
        "curve": [asdict(each) for each in reliability_curve(sure, margins > 0)],
    }
