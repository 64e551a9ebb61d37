"""Whether every objective of post-training improves what it optimises, on held-out pictures.

    python benchmarks/objectives.py --seeds 42 43 44

Runs the recipes objectives-pairs, -variants and -policies once for each seed, every stage from one
SFT model, and prints a table. What each stage is asked for was fixed beforehand:

* a preference objective: the margin of held-out pairs (`haiga.evaluation.preferences`) above 0,
  in nats of whole answers, or per token where the objective itself goes by the token;
* the reward model: held-out pairs decided rightly, above a half;
* a policy: its own reward on greedy answers to held-out pictures, above that of its start;
* and of all that write: named precision not inferior, the lower end of its 95 % interval above
  minus the margin (4 points, as in preference-gap). The form of the poems stands beside it.

Seeds are pooled and pictures are the clusters. A row holds where the lower end of its interval is
above the bound and p, adjusted after Holm over all rows, is below 0.05.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments import answers, exactly, in_order, opened, percent, row, step

from haiga import store
from haiga.evaluation import preferences
from haiga.evaluation.checks import Part, score
from haiga.evaluation.conditions import item_from
from haiga.evaluation.pairs import read_pairs
from haiga.evaluation.run import read_answers
from haiga.pipeline.learned import resolved
from haiga.pipeline.learning import columns, is_reward_model
from haiga.pipeline.run import Run
from haiga.rewards.base import Sample
from haiga.rewards.combine import combine, parts
from haiga.statistics import paired

RECIPES = ("objectives-pairs", "objectives-variants", "objectives-policies")
FOLDER = Path(__file__).parents[1] / "recipes"
GROUNDING, FORM = "named_precision", "form"
START = "sft"
SIDES = ("before", "after")
PER_TOKEN = "margin, nats a token"


@dataclass(frozen=True)
class Values:
    """What one run found of one stage: a value for each item, with and without its training."""

    before: list[float]
    after: list[float]
    clusters: list[str]


@dataclass(frozen=True)
class Row:
    """One stage, over all seeds."""

    stage: str
    optimises: str
    pooled: paired.Comparison
    each: tuple[float, ...]
    more: str
    """What else is known of held-out pairs."""
    written: tuple[paired.Comparison, ...]
    """Grounding and form, from the start to the stage; nothing of what does not write."""


def main() -> None:
    options = arguments()
    made: list[Row] = []
    for recipe in options.recipes:
        options.recipe = FOLDER / f"{recipe}.toml"
        runs = [opened(options, seed) for seed in options.seeds]
        if not options.read:
            for run, words in runs:
                subprocess.run([sys.executable, "-m", "haiga", "run", *words], check=True)
                print(f"{run.folder} is complete.", file=sys.stderr)
        made += rows_of([run for run, _ in runs])
    for line in table(made, options.margin):
        print(line)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=RECIPES, metavar="NAME")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="A.B=C")
    parser.add_argument("--workdir", type=Path, default=Path("runs"))
    parser.add_argument("--margin", type=float, default=0.04, help="of grounding")
    parser.add_argument("--read", action="store_true", help="read what is there, and run nothing")
    parser.set_defaults(name=None)
    return parser.parse_args()


def rows_of(runs: Sequence[Run]) -> list[Row]:
    """A row for each stage that starts from SFT."""
    seen = [answers(run, "", [GROUNDING, FORM]) for run in runs]
    made = []
    for name, stage in runs[0].recipe.stage.items():
        if stage.starts_from != START:
            continue
        what, values = measured(runs, name)
        kept = [f"{n} {c}" for n, each in enumerate(values) for c in each.clusters]
        before, after = ([v for each in values for v in getattr(each, s)] for s in SIDES)
        checks = () if is_reward_model(name, stage) else (GROUNDING, FORM)
        found = [step(seen, name, START, check, None) for check in checks]
        made.append(
            Row(
                stage=name,
                optimises=what,
                pooled=paired.difference(before, after, kept, seed=0),
                each=tuple(mean(each.after) - mean(each.before) for each in values),
                more=told(runs, name),
                written=tuple(each.pooled for each in found if each is not None),
            )
        )
    return made


def measured(runs: Sequence[Run], name: str) -> tuple[str, list[Values]]:
    """What the stage optimises, in words, and what each run found of it."""
    stage = runs[0].recipe.stage[name]
    if is_reward_model(name, stage):
        return "pairs decided rightly, above 50 %", [decided(run, name) for run in runs]
    if stage.rollout is not None:
        return "its reward, greedy", [rewarded(run, name) for run in runs]
    by_token = stage.objective["name"] != "mixed" and "chosen_lengths" in columns(name, stage)
    return PER_TOKEN if by_token else "margin, nats", [apart(run, name, by_token) for run in runs]


def decided(run: Run, name: str) -> Values:
    """A reward model's pairs: 1 where it is right, against a coin."""
    rows = read_pairs(run.folder / "evaluation")[name]["rows"]
    right = [float(each["margin"] is not None and each["margin"] > 0) for each in rows]
    return Values([0.5] * len(rows), right, [each["cluster"] for each in rows])


def apart(run: Run, name: str, by_token: bool) -> Values:
    """The margins of held-out pairs; before the first step they are 0."""
    rows = preferences.read(run.folder / "evaluation")[name]["rows"]
    margins = preferences.margins(rows, per_token=by_token)
    return Values([0.0] * len(rows), margins, [each["cluster"] for each in rows])


def rewarded(run: Run, name: str) -> Values:
    """The stage's own reward for the greedy answers of its start, and for its own.

    An answer that cannot be scored is worth nothing, on either side.
    """
    how = resolved(run, name).rollout
    assert how is not None, "asked of policies only"
    final = run.data("04_final").path
    asked = store.read_groups(final, "held_out", run.recipe.evaluate.tasks)
    groups = [group for group in asked if group.pictures]
    items, written = [item_from(group) for group in groups], read_answers(run.folder / "evaluation")
    made = parts([dict(each) for each in how.rewards], f"stage.{name}.rollout.rewards")
    pictures = store.FinalPictures(final)

    def worth(stage: str) -> list[float]:
        texts = in_order(written[stage]["full"], items)
        samples = [Sample(g, text, pictures) for g, text in zip(groups, texts, strict=True)]
        return [each.value or 0.0 for each in combine(samples, made).totals]

    return Values(worth(START), worth(name), [item.cluster or item.id for item in items])


def told(runs: Sequence[Run], name: str) -> str:
    """Of how many held-out pairs the chosen answer gained more, in per cent."""
    found = [preferences.read(run.folder / "evaluation").get(name) for run in runs]
    rows = [(n, each) for n, one in enumerate(found) if one for each in one["rows"]]
    if not rows:
        return ""
    margins = preferences.margins([each for _, each in rows], per_token=False)
    groups = [f"{n} {each['cluster']}" for n, each in rows]
    return percent(score([Part(margin > 0) for margin in margins], groups))


def table(made: Sequence[Row], margin: float) -> list[str]:
    """The rows, with what each is worth after Holm."""
    adjusted = paired.holm([each.pooled.p for each in made])
    head = ["stage", "optimises", "held out, from SFT", "seed by seed", "p (Holm)", "improves"]
    lines = row([*head, "pairs preferred", "named precision", "not inferior", "form"], head=True)
    for each, p in zip(made, adjusted, strict=True):
        found, digits = each.pooled, 3 if each.optimises == PER_TOKEN else 2
        cells = [
            each.stage,
            each.optimises,
            f"{found.difference:+.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]",
            ", ".join(f"{value:+.{digits}f}" for value in each.each),
            exactly(p),
            yes(found.low > 0 and p < 0.05),
            each.more,
        ]
        if not each.written:
            lines += row([*cells, "", "", ""])
            continue
        grounding, form = each.written
        holds = yes(grounding.low > -margin)
        lines += row([*cells, points(grounding), holds, points(form)])
    return lines


def points(found: paired.Comparison) -> str:
    return f"{100 * found.difference:+.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def yes(holds: bool) -> str:
    return "yes" if holds else "no"


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
