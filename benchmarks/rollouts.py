"""What policies were rewarded for while they learned: their first rollouts and their last.

    python benchmarks/rollouts.py runs/noir-reinforce-*

A row for each stage that rolls out, over all runs given: each reward in per cent (a logit where it
is a reward model's) and the distance from the start in nats an answer, as means of the first five
rollouts and of the last five, sampled answers all. The gain of the whole reward stands run by run.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from haiga import events

ENDS = 5
"""Rollouts that are taken together, from either end."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    found = [rolled(run) for run in parser.parse_args().runs]
    for line in table(found):
        print(line)


def rolled(run: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Stage -> its rollouts, in the order in which the stages were trained."""
    paths = sorted((run / "stages").glob("*/events.jsonl"), key=lambda path: path.stat().st_mtime)
    told = {path.parent.name: events.read(path) for path in paths}
    made = {name: [e for e in each if e["kind"] == "rollout"] for name, each in told.items()}
    return {name: each for name, each in made.items() if each}


def table(found: Sequence[Mapping[str, Sequence[Mapping[str, Any]]]]) -> list[str]:
    """Stages by what was measured in them; a cell is empty where a stage has no such measure."""
    stages = list(dict.fromkeys(name for run in found for name in run))
    parts = dict.fromkeys(k for run in found for each in run.values() for k in each[0])
    names = [name for name in parts if name.startswith("reward/") or name == "kl"]
    head = [n.removeprefix("reward/").replace("_", " ") for n in names]
    lines = [_row(["rollouts, first and last", *head, "reward, run by run"])]
    lines.append(f"|{'---|' * (len(names) + 2)}")
    for stage in stages:
        own = [run[stage] for run in found if stage in run]
        gains = ", ".join(f"{_ends(each, 'reward'):+.2f}" for each in own)
        lines.append(_row([stage, *(_cell(own, name) for name in names), gains]))
    return lines


def _cell(own: Sequence[Sequence[Mapping[str, Any]]], name: str) -> str:
    if not all(name in event for each in own for event in each):
        return ""
    first, last = (_mean([_mean([e[name] for e in part]) for part in parts]) for parts in _cut(own))
    if name == "kl":
        return f"{first:.1f}, {last:.1f}"
    if name == "reward/reward_model":
        return f"{first:+.2f}, {last:+.2f}"
    return f"{100 * first:.0f}, {100 * last:.0f}"


def _cut(own: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[list[Any], list[Any]]:
    return [each[:ENDS] for each in own], [each[-ENDS:] for each in own]


def _ends(each: Sequence[Mapping[str, Any]], name: str) -> float:
    """By how much the last rollouts of a run are above its first."""
    return _mean([e[name] for e in each[-ENDS:]]) - _mean([e[name] for e in each[:ENDS]])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
