"""Whether one filter suffices: the same training on raw data, on each filter alone, and on all.

    python benchmarks/filters.py recipes/filters.toml --seeds 42 43

The recipe has all filters. Each variant is a run of its own, `<workdir>/<recipe>-<variant>-<seed>`,
and what is complete is not made again; prints and what was measured of them are those of `raw`.
Every variant answers the same clean prints, which no variant has seen: a world of another seed
without faults. Answers of all seeds are pooled, clusters are pictures, and differences from `raw`
are paired by picture and adjusted after Holm.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from experiments import exactly, percent, row

from haiga import store
from haiga.curation.gate import AGAIN, BELOW, WAITS
from haiga.evaluation.answerers import answerer
from haiga.evaluation.checks import CHECKS, Parts, clusters, score
from haiga.evaluation.compare import linearised
from haiga.evaluation.conditions import Item, item_from
from haiga.evaluation.run import evaluate, read_answers
from haiga.pipeline.answering import answering, decoding
from haiga.pipeline.data import make_data
from haiga.pipeline.run import Run, open_run
from haiga.recipe.load import load
from haiga.statistics import paired

REASONS = (BELOW, AGAIN, WAITS)
CLEAN_SEED = 1_000_003
FILTERS: Mapping[str, Sequence[str]] = {
    "pictures": ["curate.pictures=[]"],
    "captions": ["curate.captions=[]"],
    "duplicates": ["curate.hamming=-1"],
    "similarity": ["curate.similarity.enter=-1", "curate.similarity.reject=-1"],
}
"""Filter -> the overrides without it."""
VARIANTS: Mapping[str, Sequence[str]] = {
    "raw": [],
    **{name: [name] for name in FILTERS},
    "all": list(FILTERS),
}
"""Variant -> the filters that it has."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--workdir", type=Path, default=Path("runs"))
    parser.add_argument("--prints", type=int, default=200, help="clean ones, to be judged by")
    parser.add_argument("--checks", nargs="+", default=["named_precision", "named_recall", "form"])
    parser.add_argument("--read", action="store_true", help="read what is there, and run nothing")
    options = parser.parse_args()
    clean = clean_run(options)
    if not options.read:
        for seed in options.seeds:
            for variant in options.variants:
                make(options, variant, seed, clean)
    for line in tables(options, clean):
        print(line)


def clean_run(options: argparse.Namespace) -> Run:
    """The prints that all variants are judged by."""
    name = f"{options.recipe.stem}-clean"
    changes = [f"name={name}", f"seed={CLEAN_SEED}", "source.faults=0.0"]
    changes += [f"source.prints={options.prints + 40}", f"split.held_out={options.prints}"]
    run = open_run(load(options.recipe, changes), options.workdir)
    make_data(run)
    return run


def overrides(options: argparse.Namespace, variant: str, seed: int) -> list[str]:
    without = [name for name in FILTERS if name not in VARIANTS[variant]]
    changes = [change for name in without for change in FILTERS[name]]
    return [*changes, f"seed={seed}", f"name={options.recipe.stem}-{variant}-{seed}"]


def make(options: argparse.Namespace, variant: str, seed: int, clean: Run) -> None:
    """Curate, train, and have the clean prints answered."""
    changes = overrides(options, variant, seed)
    share(options, variant, seed)
    words = [str(options.recipe), "--workdir", str(options.workdir)]
    for change in changes:
        words += ["--set", change]
    for command in ("curate", "train"):
        subprocess.run([sys.executable, "-m", "haiga", command, *words], check=True)
    run = open_run(load(options.recipe, changes), options.workdir)
    pictures = store.FinalPictures(clean.data("04_final").path)
    asking = partial(answerer, pictures=pictures, **decoding(run), batch=run.recipe.evaluate.batch)
    for stage, task in tasks(run).items():
        evaluate(
            answering(run, [stage], asking),
            items_of(clean, task),
            run.folder / "clean" / task,
            conditions=["full"],
            decoding=decoding(run),
        )


def share(options: argparse.Namespace, variant: str, seed: int) -> None:
    """Begin a variant with the prints of `raw`, and with what towers have seen of them."""
    raw, own = (
        options.workdir / f"{options.recipe.stem}-{name}-{seed}" for name in ("raw", variant)
    )
    for part in ("data/00_raw", "data/measurements", "features"):
        if (raw / "data/04_final/manifest.json").exists() and not (own / part).exists():
            shutil.copytree(raw / part, own / part)


def tasks(run: Run) -> dict[str, str]:
    """Stage -> the task that it learned."""
    return {name: stage.tasks[0] for name, stage in run.recipe.stage.items()}


def items_of(clean: Run, task: str) -> list[Item]:
    groups = store.read_groups(clean.data("04_final").path, "held_out", [task])
    return [item_from(group) for group in groups]


def parts_of(run: Run, stage: str, task: str, clean: Run, check: str) -> Parts:
    items = items_of(clean, task)
    rows = read_answers(run.folder / "clean" / task)[stage]["full"]
    written = {each["id"]: each["answer"] for each in rows}
    return CHECKS[check].score(items, [written[item.id] for item in items])


def tables(options: argparse.Namespace, clean: Run) -> list[str]:
    """What each variant trained on, and what it scores against raw."""
    runs = {
        (variant, seed): open_run(
            load(options.recipe, overrides(options, variant, seed)), options.workdir
        )
        for variant in options.variants
        for seed in options.seeds
    }
    lines = row(["variant", "groups trained on, describe", "haiku"], head=True)
    for variant in options.variants:
        counts = [
            str(trained_on(runs[variant, options.seeds[0]], task)) for task in ("describe", "haiku")
        ]
        lines += row([variant, *counts])
    if "similarity" in options.variants:
        lines += ["", *gate([runs["similarity", seed] for seed in options.seeds])]
    for stage, task in tasks(clean).items():
        lines += ["", *table(options, clean, runs, stage, task)]
    return lines


def gate(runs: Sequence[Run]) -> list[str]:
    """What the similarity gate made of the source's captions, fault by fault."""
    ends = ("entered", *(reason.split(":")[-1].strip() for reason in REASONS))
    counted: dict[str, Counter[str]] = {}
    for run in runs:
        stage = run.data("03_quality_checked")
        for row_ in (*stage.rows(), *stage.dropped()):
            counts = counted.setdefault(str(json.loads(row_["meta"])["fault"]), Counter())
            for text in (*(row_["answers"] or ()), *(row_["set_aside"] or ())):
                if text["task"] == "describe" and text["source"] == "source":
                    counts[text.get("reason") or ""] += 1
    lines = row(["fault", "captions", *ends], head=True)
    for fault, counts in sorted(counted.items()):
        cells = [str(counts[reason]) for reason in ("", *REASONS)]
        lines += row([fault, str(counts.total()), *cells])
    return lines


def trained_on(run: Run, task: str) -> int:
    return len(store.read_groups(run.data("04_final").path, "train", [task]))


def table(
    options: argparse.Namespace,
    clean: Run,
    runs: Mapping[tuple[str, int], Run],
    stage: str,
    task: str,
) -> list[str]:
    """A row for each variant: every check in per cent, and in points against raw."""
    lines = row(
        [f"{stage}: {task}", *options.checks, *(f"{c}, from raw" for c in options.checks)],
        head=True,
    )
    found = {
        (variant, check): [
            part
            for seed in options.seeds
            for part in parts_of(runs[variant, seed], stage, task, clean, check)
        ]
        for variant in options.variants
        for check in options.checks
    }
    # The same pictures for every seed: one cluster, however often they were answered.
    groups = clusters(items_of(clean, task)) * len(options.seeds)
    others = [variant for variant in options.variants if variant != "raw"]
    compared = {
        (variant, check): paired.difference(
            linearised(found["raw", check]),
            linearised(found[variant, check]),
            kept,
            seed=0,
            share=True,
        )
        for variant in others
        for check in options.checks
        if (
            kept := [
                g for g, part in zip(groups, found[variant, check], strict=True) if part is not None
            ]
        )
    }
    adjusted = dict(zip(compared, paired.holm([each.p for each in compared.values()]), strict=True))
    for variant in options.variants:
        cells = [percent(score(found[variant, check], groups)) for check in options.checks]
        for check in options.checks:
            each = compared.get((variant, check))
            cells.append(
                f"{100 * each.difference:+.1f} [{100 * each.low:.1f}, {100 * each.high:.1f}], "
                f"p {exactly(adjusted[variant, check])}"
                if each
                else ""
            )
        lines += row([variant, *cells])
    return lines


if __name__ == "__main__":
    main()
