"""A reward model on held-out pairs: how often it prefers the chosen answer, and how sure it may be.

    evaluation/pairs/<stage>.json    what it says of every pair, and what comes of that

A margin m is a probability of sigmoid(m) that the chosen answer is preferred (Bradley and Terry
1952); a calibrated model is right as often as it says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from scipy.special import expit

from haiga.errors import DataError
from haiga.evaluation.checks import Part, score
from haiga.records import Group
from haiga.rewards.base import Scored
from haiga.rewards.reliability import calibration_error, reliability_curve
from haiga.store.files import fingerprint, read_json, write_json

Rows: TypeAlias = list[dict[str, Any]]
Value = TypeVar("Value")


def evaluate_pairs(
    stage: str,
    weights: str,
    groups: Sequence[Group],
    ask: Callable[[Sequence[Group]], list[list[Scored]]],
    folder: Path,
    *,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Score the pairs of `groups`, write what was found under `folder`, and say how good it is.

    A tie, and a pair of which an answer could not be scored, is not right. Pairs that were scored
    under the same weights are not scored again.

    Args:
        stage: names the file.
        weights: digest of the weights that score.
        groups: two-sided, as many rejected answers as chosen ones.
        ask: the reward model; gives each group the scores of its answers.
        folder: the run's `evaluation/`.
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
        for row, sides in zip(rows, _sides(groups, ask(groups)), strict=True):
            row |= _margin(*sides)
    found = _judged(stage, rows, seed)
    write_json(path, {"key": key, **found, "rows": rows})
    return {name: found[name] for name in ("accuracy", "calibration_error")}


def read_pairs(folder: Path) -> dict[str, dict[str, Any]]:
    """stage -> what `evaluate_pairs` found, its curve too, as it was left under `folder`."""
    return {path.stem: read_json(path) for path in sorted((folder / "pairs").glob("*.json"))}


def _rows(group: Group) -> Rows:
    """The pairs of a group: its k-th chosen answer and its k-th rejected one."""
    cluster = group.cluster or "/".join(p.id for p in group.pictures) or group.id
    return [
        {"id": group.id, "cluster": cluster, "chosen": chosen.text, "rejected": rejected.text}
        for chosen, rejected in _paired(group, group.answers)
    ]


def _sides(
    groups: Sequence[Group], scored: Sequence[Sequence[Scored]]
) -> Iterator[tuple[Scored, Scored]]:
    """The scores of each pair."""
    for group, own in zip(groups, scored, strict=True):
        yield from _paired(group, own)


def _paired(group: Group, values: Sequence[Value]) -> Iterator[tuple[Value, Value]]:
    """One value of each answer, as pairs."""
    kinds = [answer.kind for answer in group.answers]
    chosen, rejected = (
        [value for value, own in zip(values, kinds, strict=True) if own == kind]
        for kind in ("chosen", "rejected")
    )
    return zip(chosen, rejected, strict=True)


def _margin(chosen: Scored, rejected: Scored) -> dict[str, Any]:
    """By how much the chosen answer scores higher, or why that cannot be said."""
    if chosen.value is None or rejected.value is None:
        return {"margin": None, "why": chosen.why or rejected.why}
    margin = chosen.value - rejected.value
    if not math.isfinite(margin):
        return {"margin": None, "why": f"The scores are {chosen.value} and {rejected.value}."}
    return {"margin": margin, "why": ""}


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
