"""What a policy's answers are truly worth, beside the reward that it is trained for, along the KL.

    python benchmarks/over_optimisation.py runs/reward-ppo-42 --to docs/reward-ppo.png

Read from the rollouts of every stage that a reward model rewards: a rollout is 64 sampled answers,
neighbours are averaged, and the axis is the root of the distance from the start in nats an answer,
as Gao, Schulman and Hilton (2023) draw it. The reward is a logit, and is shown as the probability
by which a pair of such a difference from the start would be decided.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

from haiga import events

matplotlib.use("Agg")
from matplotlib import pyplot as plt

PROXY = "reward/reward_model"
TRUE = {"reward/true_to_picture": "named truly", "reward/form": "in form"}
TOGETHER = 8
"""Rollouts that one point stands for."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--to", type=Path)
    options = parser.parse_args()
    found = {
        (run.name, stage.name): points(rollouts)
        for run in options.runs
        for stage in sorted((run / "stages").iterdir())
        if (rollouts := rolled(stage / "events.jsonl"))
    }
    for line in table(found):
        print(line)
    if options.to is not None:
        draw(found, options.to)


def rolled(path: Path) -> list[Mapping[str, Any]]:
    """The rollouts of a stage that a reward model rewards."""
    return [e for e in events.read(path) if e["kind"] == "rollout" and PROXY in e]


def points(rollouts: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Means over neighbouring rollouts; the reward as a gain over the first of them."""
    parts = [rollouts[at : at + TOGETHER] for at in range(0, len(rollouts), TOGETHER)]
    names = ("kl", PROXY, *TRUE)
    means = [{n: sum(each[n] for each in part) / len(part) for n in names} for part in parts]
    start = means[0][PROXY]
    return [{**each, "preferred": 1 / (1 + math.exp(start - each[PROXY]))} for each in means]


def table(found: Mapping[tuple[str, str], Sequence[Mapping[str, float]]]) -> list[str]:
    lines = [
        "| run | stage | KL, nats an answer | reward | named truly | in form |",
        f"|{'---|' * 6}",
    ]
    for (run, stage), rows in found.items():
        for each in rows:
            truths = " | ".join(f"{100 * each[name]:.0f}" for name in TRUE)
            lines.append(f"| {run} | {stage} | {each['kl']:.1f} | {each[PROXY]:+.2f} | {truths} |")
    return lines


def draw(found: Mapping[tuple[str, str], Sequence[Mapping[str, float]]], to: Path) -> None:
    """A panel for each stage, a line for each score and run."""
    stages = list(dict.fromkeys(stage for _, stage in found))
    figure, panels = plt.subplots(
        1, len(stages), figsize=(4.2 * len(stages), 3.2), sharex=True, sharey=True
    )
    looks = {"preferred": "C0", "reward/true_to_picture": "C1", "reward/form": "C2"}
    names = {"preferred": "reward model: better than the start", **TRUE}
    for panel, stage in zip([panels] if len(stages) == 1 else panels, stages, strict=True):
        for at, rows in enumerate(rows for (_, one), rows in found.items() if one == stage):
            x = [math.sqrt(max(0.0, each["kl"])) for each in rows]
            for name, colour in looks.items():
                y = [each[name] for each in rows]
                panel.plot(x, y, f"{colour}.-", label=None if at else names[name], alpha=0.8)
        panel.set(title=stage, xlabel="√KL, nats an answer", ylim=(0, 1))
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="lower center", ncols=3)
    figure.tight_layout(rect=(0, 0.1, 1, 1))
    figure.savefig(to, dpi=120)


if __name__ == "__main__":
    main()
