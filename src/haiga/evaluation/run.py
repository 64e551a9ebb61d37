"""Stages × conditions × checks: ask what has not been asked, score everything, write it down.

    evaluation/answers/<stage>/<condition>.jsonl    what each model wrote, beside the reference
    evaluation/scores/<stage>/<condition>.jsonl     what each answer adds, see `scores.py`
    evaluation/summary.json                         stage -> condition -> check -> Score
    evaluation/comparisons.json                     paired differences, see `compare.py`

An answer's key is made of all that it depends on: the weights, the condition, the pictures, the
prompt and the decoding. A finished answer is used again under an equal key and under no other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from haiga import events
from haiga.errors import DataError, ModelError
from haiga.evaluation import compare, scores
from haiga.evaluation.checks import CHECKS, Check, Parts, clusters, score
from haiga.evaluation.conditions import CONDITIONS, USUAL, Item
from haiga.records import message_to_dict
from haiga.store import fingerprint, write_atomically

Answerer: TypeAlias = Callable[[list[Item]], list[str]]
Summary: TypeAlias = dict[str, dict[str, dict[str, dict[str, float]]]]
Asked: TypeAlias = Mapping[str, Mapping[str, list[str]]]
"""stage -> condition -> answers, in the order of the items."""

CHUNK = 64
"""Items asked at a time: what a crash may lose."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A model under evaluation, and the altered models of its model conditions."""

    weights: str
    """Digest of the weights that answer."""
    answer: Answerer
    controls: Mapping[str, Stage] = field(default_factory=dict)
    """For each model condition ("blind_lm", "random_projector"), the model that stands in."""
    conditions: tuple[str, ...] | None = None
    """The only conditions under which it is asked: ("blind",) for a control that was trained
    without pictures. None: all."""
    starts_from: str | None = None
    """The stage that it started from, with which it is compared."""


def evaluate(
    stages: Mapping[str, Stage],
    items: Sequence[Item],
    folder: Path,
    *,
    conditions: Sequence[str] = USUAL,
    checks: Mapping[str, Check] = CHECKS,
    decoding: Mapping[str, Any] | None = None,
    seed: int = 0,
    emit: events.Sink = lambda event: None,
) -> Summary:
    """Asks every stage under every condition, scores, compares and writes under `folder`.

    Args:
        stages: in the order in which they were trained.
        items: held-out items; ids must differ.
        folder: the run's `evaluation/`.
        conditions: names from their table. "full" is always asked.
        checks: those of the table, and others by their names.
        decoding: all that decides how the answerers decode; part of every answer's key.
        seed: of the shuffle and of the bootstrap.

    Raises:
        DataError: no items, two items of one id, a condition that is not in the table, or one that
            these items cannot be put under.
        ModelError: a stage without the model that a condition needs, or that returned another
            number of answers than it was asked for.
    """
    asked = ask(
        stages, items, folder, conditions=conditions, decoding=decoding, seed=seed, emit=emit
    )
    starts = {name: stage.starts_from for name, stage in stages.items() if stage.starts_from}
    return compared(scored(asked, items, checks), items, folder, starts=starts, seed=seed)


def ask(
    stages: Mapping[str, Stage],
    items: Sequence[Item],
    folder: Path,
    *,
    conditions: Sequence[str] = USUAL,
    decoding: Mapping[str, Any] | None = None,
    seed: int = 0,
    emit: events.Sink = lambda event: None,
) -> Asked:
    """The answers of every stage under every condition, kept under `folder`; see `evaluate`."""
    _refuse_faults(stages, items, conditions)
    wanted = ["full", *(name for name in conditions if name != "full")]
    asked: dict[str, dict[str, list[str]]] = {}
    known = _known_answers(folder)
    for stage, model in stages.items():
        asked[stage] = {}
        for name in model.conditions or wanted:
            path = folder / "answers" / stage / f"{name}.jsonl"
            answers = _ask(model, name, items, path, known, decoding or {}, seed, emit)
            asked[stage][name] = answers
            emit({"kind": "answers", "stage": stage, "condition": name, "count": len(answers)})
    return asked


def scored(asked: Asked, items: Sequence[Item], checks: Mapping[str, Check]) -> compare.Table:
    """What each item adds to each check of each cell."""
    return {
        stage: {
            condition: {name: check.score(items, answers) for name, check in checks.items()}
            for condition, answers in by_condition.items()
        }
        for stage, by_condition in asked.items()
    }


def compared(
    table: compare.Table,
    items: Sequence[Item],
    folder: Path,
    *,
    starts: Mapping[str, str],
    seed: int,
) -> Summary:
    """Sums a table up and compares its cells; written under `folder`."""
    scores.write(table, items, folder)
    groups = clusters(items)
    summary: Summary = {
        stage: {name: _scores(by_check, groups, seed) for name, by_check in by_condition.items()}
        for stage, by_condition in table.items()
    }
    _write_json(folder / "summary.json", summary)
    rows = compare.comparisons(table, groups, starts=starts, seed=seed)
    _write_json(folder / "comparisons.json", rows)
    return summary


def _scores(
    by_check: Mapping[str, Parts], groups: Sequence[str], seed: int
) -> dict[str, dict[str, float]]:
    scored = {check: score(parts, groups, seed=seed) for check, parts in by_check.items()}
    return {check: asdict(each) for check, each in scored.items() if each is not None}


def _ask(
    model: Stage,
    condition: str,
    items: Sequence[Item],
    path: Path,
    known: dict[str, str],
    decoding: Mapping[str, Any],
    seed: int,
    emit: events.Sink,
) -> list[str]:
    """The answers to all items under `condition`, asking only for those that `known` lacks."""
    who = model if CONDITIONS[condition].kind == "items" else model.controls[condition]
    posed = CONDITIONS[condition].transform(items, seed)
    keys = [answer_key(who.weights, condition, item, decoding) for item in posed]
    missing = [i for i, key in enumerate(keys) if key not in known]
    told = {"kind": "progress", "stage": "evaluation", "total": len(missing)}
    for start in range(0, len(missing), CHUNK):
        emit({**told, "done": start})
        chunk = missing[start : start + CHUNK]
        answers = who.answer([posed[i] for i in chunk])
        if len(answers) != len(chunk):
            raise ModelError(
                f"Under the condition '{condition}' a model gave {len(answers)} answers to "
                f"{len(chunk)} questions; an answerer must return one text per item."
            )
        known.update(zip((keys[i] for i in chunk), answers, strict=True))
        _write_answers(path, posed, items, keys, known)
        emit({**told, "done": start + len(chunk)})
    _write_answers(path, posed, items, keys, known)
    return [known[key] for key in keys]


def answer_key(
    weights: str, condition: str, item: Item, decoding: Mapping[str, Any] | None = None
) -> str:
    """The key under which the answer to `item`, as it is posed, is kept."""
    return fingerprint(
        {
            "weights": weights,
            "condition": condition,
            "item": item.id,
            "pictures": [picture.id for picture in item.pictures],
            "grey": item.grey,
            "prompt": [message_to_dict(message) for message in item.prompt],
            "decoding": dict(decoding or {}),
        }
    )


def _write_answers(
    path: Path,
    posed: Sequence[Item],
    items: Sequence[Item],
    keys: Sequence[str],
    known: Mapping[str, str],
) -> None:
    """The rows answered so far. `truth` is always the item's own, never that of a shown picture."""
    rows = [
        {
            "id": item.id,
            "answer": known[key],
            "reference": item.reference,
            "truth": dict(item.truth),
            "task": item.task,
            "language": item.language,
            "pictures": [picture.id for picture in shown.pictures],
            "key": key,
        }
        for item, shown, key in zip(items, posed, keys, strict=True)
        if key in known
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if not path.exists() or path.read_text(encoding="utf-8") != lines:
        write_atomically(path, lines.encode())


def read_answers(folder: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """stage -> condition -> rows, as `evaluate` left them under `folder`, in the table's order."""
    place = {name: at for at, name in enumerate(CONDITIONS)}
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    paths = sorted((folder / "answers").glob("*/*.jsonl"))
    for path in sorted(paths, key=lambda each: place.get(each.stem, len(place))):
        # Not str.splitlines: an answer may hold U+2028, which JSON does not escape.
        lines = path.read_text(encoding="utf-8").split("\n")
        found.setdefault(path.parent.name, {})[path.stem] = [json.loads(x) for x in lines if x]
    return found


def _known_answers(folder: Path) -> dict[str, str]:
    return {
        row["key"]: row["answer"]
        for by_condition in read_answers(folder).values()
        for rows in by_condition.values()
        for row in rows
    }


def _refuse_faults(
    stages: Mapping[str, Stage], items: Sequence[Item], conditions: Sequence[str]
) -> None:
    if not items:
        raise DataError("There is nothing to evaluate: the held-out split holds no item.")
    ids = [item.id for item in items]
    if len(set(ids)) != len(ids):
        twice = next(each for each in ids if ids.count(each) > 1)
        raise DataError(f"Two items to evaluate share the id '{twice}'; ids must differ.")
    for name in conditions:
        if name not in CONDITIONS:
            raise DataError(
                f"There is no condition '{name}'; choose from: {', '.join(CONDITIONS)}."
            )
    for stage, model in stages.items():
        if not re.fullmatch(r"[\w.-]+", stage) or stage.startswith("."):
            raise DataError(
                f"The stage name '{stage}' cannot name a folder; use letters, digits, '_', '-'."
            )
        for name in model.conditions or conditions:
            if CONDITIONS[name].kind == "model" and name not in model.controls:
                raise ModelError(
                    f"The stage '{stage}' has no model for the condition '{name}'; "
                    "hand one over in Stage.controls, or leave the condition out."
                )


def _write_json(path: Path, value: Any) -> None:
    write_atomically(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())
