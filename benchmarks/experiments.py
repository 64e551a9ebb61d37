"""An experiment of `recipes/` over several seeds, and the tables that docs/experiments.md quotes.

    python benchmarks/experiments.py recipes/preference-gap.toml --seeds 42 43 44 --margin 0.05

Every seed is a run of its own, `<workdir>/<recipe>-<seed>`, with its own prints, and what is
complete is not made again. Then the runs are read together.

What is pooled is held-out answers: a check is the sum of its numerators over the sum of its
denominators, over all seeds. Clusters are the pictures (near-duplicates together), which seeds do
not share, so an interval tells how much hangs on the pictures. How much hangs on the training is
seen from seed to seed, which is why each difference stands beside the pooled one. p-values are
adjusted after Holm over all rows of a table. With --margin, "stayed" is two one-sided tests within
it (`haiga.statistics.paired.equivalence`).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from haiga import events, store
from haiga.evaluation.checks import CHECKS, Check, Part, Parts, clusters, score
from haiga.evaluation.compare import linearised
from haiga.evaluation.conditions import Item, item_from
from haiga.evaluation.run import read_answers
from haiga.evaluation.style import STYLE, style_check
from haiga.pipeline import learning
from haiga.pipeline.learned import EVALUATING
from haiga.pipeline.models import groups_of
from haiga.pipeline.run import Run, open_run
from haiga.recipe.load import load
from haiga.records import Group, Score
from haiga.statistics import paired
from haiga.training.preferences import limited, two_sided


@dataclass(frozen=True)
class Answers:
    """What one run wrote to its held-out pictures, check by check."""

    parts: Mapping[tuple[str, str], Mapping[str, Parts]]
    """(stage, condition) -> check -> a part for each item."""
    clusters: list[str]


def main() -> None:
    options = arguments()
    runs = [opened(options, seed) for seed in options.seeds]
    if not options.read:
        for run, words in runs:
            subprocess.run([sys.executable, "-m", "haiga", "run", *words], check=True)
            print(f"{run.folder} is complete.", file=sys.stderr)
    for task in options.tasks or [""]:
        seen = [answers(run, task, options.checks) for run, _ in runs]
        for line in (*scores(seen, options, task), "", *steps(seen, runs, options, task), ""):
            print(line)
    for line in (*gaps([run for run, _ in runs], options.checks), ""):
        print(line)
    for line in watching([run for run, _ in runs]):
        print(line)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="A.B=C")
    parser.add_argument("--workdir", type=Path, default=Path("runs"))
    parser.add_argument("--name", help="of the runs; the recipe's where it is left out")
    parser.add_argument("--checks", nargs="+", default=["named_precision", "named_recall", "form"])
    parser.add_argument("--tasks", nargs="+", help="a table for each; all together if left out")
    parser.add_argument("--conditions", nargs="+", default=["full"])
    parser.add_argument("--margin", type=float, help="a difference that would not matter")
    parser.add_argument("--against", help="a stage that all are compared with, not their starts")
    parser.add_argument("--read", action="store_true", help="read what is there, and run nothing")
    return parser.parse_args()


def opened(options: argparse.Namespace, seed: int) -> tuple[Run, list[str]]:
    """The run of one seed, and the words after `haiga run` that make it."""
    name = f"{options.name or options.recipe.stem}-{seed}"
    overrides = [*options.overrides, f"seed={seed}", f"name={name}"]
    words = [str(options.recipe), "--workdir", str(options.workdir)]
    for each in overrides:
        words += ["--set", each]
    return open_run(load(options.recipe, overrides), options.workdir), words


def answers(run: Run, task: str, names: Sequence[str]) -> Answers:
    """The answers of a run to the items of a task (to all, where it is ""), checked anew."""
    tasks = [task] if task else (run.recipe.evaluate.tasks or learning.last_tasks(run.recipe))
    groups = store.read_groups(run.data("04_final").path, "held_out", tasks)
    items = [item_from(group) for group in groups if group.pictures]
    table: dict[str, Check] = dict(CHECKS)
    if run.recipe.critic is not None:
        table[STYLE] = style_check(run.critic(EVALUATING))
    parts = {
        (stage, condition): {
            name: table[name].score(items, in_order(rows, items)) for name in names
        }
        for stage, conditions in read_answers(run.folder / "evaluation").items()
        if stage in run.recipe.stage
        for condition, rows in conditions.items()
    }
    return Answers(parts, [f"{run.folder.name} {each}" for each in clusters(items)])


def in_order(rows: Sequence[Mapping[str, str]], items: Sequence[Item]) -> list[str]:
    written = {row["id"]: row["answer"] for row in rows}
    return [written[item.id] for item in items]


def pooled(seen: Sequence[Answers], cell: tuple[str, str], check: str) -> list[Part | None]:
    """The parts of all runs, one after the other; [] where a run lacks the cell."""
    if not all(cell in each.parts for each in seen):
        return []
    return [part for each in seen for part in each.parts[cell][check]]


def scores(seen: Sequence[Answers], options: argparse.Namespace, task: str) -> list[str]:
    """A row for each stage and condition, in per cent."""
    lines = row([f"{task} stage".strip(), "condition", *options.checks], head=True)
    groups = [cluster for each in seen for cluster in each.clusters]
    for stage, condition in in_recipe_order(seen, options):
        cells = []
        for check in options.checks:
            parts = pooled(seen, (stage, condition), check)
            cells.append(percent(score(parts, groups) if parts else None))
        lines += row([stage, condition.replace("_", " "), *cells])
    return lines


def in_recipe_order(seen: Sequence[Answers], options: argparse.Namespace) -> list[tuple[str, str]]:
    order = list(load(options.recipe, options.overrides).stage)
    cells = [cell for cell in seen[0].parts if cell[1] in options.conditions]
    return sorted(cells, key=lambda cell: (order.index(cell[0]), options.conditions.index(cell[1])))


@dataclass(frozen=True)
class Step:
    """What a stage did to a check, against the stage that it started from."""

    stage: str
    start: str
    check: str
    pooled: paired.Comparison
    each: tuple[float, ...]
    """Seed by seed."""
    stayed: paired.Equivalence | None


def steps(
    seen: Sequence[Answers],
    runs: Sequence[tuple[Run, list[str]]],
    options: argparse.Namespace,
    task: str,
) -> list[str]:
    """A row for each stage and check: from its start to it, pooled and seed by seed, in points."""
    stages = runs[0][0].recipe.stage
    made = [
        step(seen, name, start, check, options.margin)
        for name, stage in stages.items()
        for check in options.checks
        if (start := options.against or stage.starts_from) and start != name
        if all((each, "full") in one.parts for each in (start, name) for one in seen)
    ]
    found = [each for each in made if each is not None]
    adjusted = paired.holm([each.pooled.p for each in found])
    verdicts = ["stayed within the margin"] if options.margin else []
    head = [f"{task} from".strip(), "to", "check", "points", "seed by seed", "p (Holm)", *verdicts]
    lines = row(head, head=True)
    for each, p in zip(found, adjusted, strict=True):
        seen_by = ", ".join(f"{100 * value:+.1f}" for value in each.each)
        interval = f"[{100 * each.pooled.low:.1f}, {100 * each.pooled.high:.1f}]"
        change = f"{100 * each.pooled.difference:+.1f} {interval}"
        cells = [each.start, each.stage, each.check.replace("_", " "), change, seen_by, exactly(p)]
        if each.stayed is not None:
            cells.append(f"{'yes' if each.stayed.holds else 'no'} (p {exactly(each.stayed.p)})")
        lines += row(cells)
    return lines


def step(
    seen: Sequence[Answers], stage: str, start: str, check: str, margin: float | None
) -> Step | None:
    """None where the check applies to no item."""
    groups = [cluster for each in seen for cluster in each.clusters]
    before, after = (pooled(seen, (name, "full"), check) for name in (start, stage))
    kept = [cluster for cluster, part in zip(groups, after, strict=True) if part is not None]
    if not kept:
        return None
    columns = linearised(before), linearised(after)
    return Step(
        stage=stage,
        start=start,
        check=check,
        pooled=paired.difference(*columns, kept, seed=0, share=True),
        each=tuple(
            mean(one.parts[stage, "full"][check]) - mean(one.parts[start, "full"][check])
            for one in seen
        ),
        stayed=paired.equivalence(*columns, kept, margin=margin) if margin else None,
    )


def mean(parts: Parts) -> float:
    values = linearised(parts)
    return sum(values) / len(values)


def gaps(runs: Sequence[Run], checks: Sequence[str]) -> list[str]:
    """How the chosen and the rejected answers of the training pairs differ, kind by kind."""
    kinds = {
        (stage.tasks, stage.rejected, stage.answers): name
        for name, stage in reversed(runs[0].recipe.stage.items())
        if stage.rejected is not None
    }
    if not kinds:
        return []
    lines = row(["rejected", "pairs", *checks], head=True)
    for (_, rejected, _), name in reversed(kinds.items()):
        groups = [group for run in runs for group in paired_groups(run, name)]
        sides = {kind: shares(groups, kind, checks) for kind in ("chosen", "rejected")}
        count = sum(answer.kind == "chosen" for group in groups for answer in group.answers)
        cells = [f"{sides['chosen'][c]:.0f} against {sides['rejected'][c]:.0f}" for c in checks]
        lines += row([str(rejected), str(count), *cells])
    return lines


def paired_groups(run: Run, name: str) -> list[Group]:
    """The groups that a stage learned from, with the answers of both sides."""
    stage = run.recipe.stage[name]
    groups = groups_of(run.data("04_final"), "train", stage)
    made, _ = two_sided(groups, str(stage.rejected), stage.tasks, run.recipe.seed)
    return [limited(group, stage.answers) for group in made]


def shares(groups: Sequence[Group], kind: str, checks: Sequence[str]) -> dict[str, float]:
    """What each check says of all answers of a kind, in per cent."""
    told = [(item_from(g), a.text) for g in groups for a in g.answers if a.kind == kind]
    items, texts = [item for item, _ in told], [text for _, text in told]
    return {name: 100 * mean(CHECKS[name].score(items, texts)) for name in checks}


def watching(runs: Sequence[Run]) -> list[str]:
    """A row for each watched stage: what its looks cost, and how often it was stopped."""
    lines = row(["stage", "runs", "looks", "of steps and looks", "stopped"], head=True)
    for name in runs[0].recipe.stage:
        told = [events.read(run.stage(name) / "events.jsonl") for run in runs]
        looks = [event for each in told for event in each if event["kind"] == "look"]
        if not looks:
            continue
        cost = sum(event["seconds"] for event in looks)
        taken = [event for each in told for event in each if event["kind"] == "step"]
        whole = cost + sum(event["seconds"] for event in taken)
        halts = [event for each in told for event in each if event["kind"] == "stopped"]
        when = ", ".join(str(event["step"]) for event in halts)
        stops = f"{len(halts)} of {len(runs)}" + (f" (step {when})" if halts else "")
        share = f"{cost:.1f} of {whole:.0f} s ({100 * cost / whole:.1f} %)"
        lines += row([name, str(len(runs)), str(len(looks)), share, stops])
    return lines if len(lines) > 2 else []


def row(cells: Sequence[str], head: bool = False) -> list[str]:
    line = f"| {' | '.join(cells)} |"
    return [line, f"|{'---|' * len(cells)}"] if head else [line]


def percent(found: Score | None) -> str:
    if found is None:
        return ""
    return f"{100 * found.mean:.0f} [{100 * found.low:.0f}, {100 * found.high:.0f}]"


def exactly(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


if __name__ == "__main__":
    main()
