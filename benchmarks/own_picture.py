"""What `own_picture` says where the truth is known: beside the precision of the things named.

    haiga run recipes/floating-world-en.toml
    python benchmarks/own_picture.py recipes/floating-world-en.toml runs

The check that needs no truth is made of the answers in a finished run's folder, as if nobody knew
what its pictures show; the truth stands beside it. So does what the model's own likelihoods say of
the same answers, which is why they are no check. Nothing is written into the run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from haiga import store
from haiga.evaluation import own_picture, self_retrieval
from haiga.evaluation.checks import CHECKS, Parts, clusters, score
from haiga.evaluation.conditions import CONDITIONS
from haiga.models.adapters import load_stage
from haiga.pipeline.costing import seeing
from haiga.pipeline.hearings import read_texts
from haiga.pipeline.measures import towers_of
from haiga.pipeline.questions import items_of
from haiga.pipeline.run import open_run
from haiga.recipe.load import load
from haiga.reporting.words import bounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--set", action="append", default=[])
    told = parser.parse_args()
    run = open_run(load(told.recipe, told.set), told.workdir)
    items, asked = items_of(run), read_texts(run)
    pictures = store.FinalPictures(run.data("04_final").path)
    towers = towers_of(run)
    shown = own_picture.seen(towers, items, pictures)
    groups = clusters(items)

    def by_encoder(texts: list[str]) -> str:
        return _said(own_picture.by_encoder(towers, shown, items, texts), groups)

    print("stage\tcondition\tnamed precision\town picture\tby own likelihoods")
    print(f"\treferences\t1.00\t{by_encoder([item.reference for item in items])}\t")
    places = self_retrieval.chosen(items, run.recipe.evaluate.self_retrieval)
    some = [items[at] for at in places]
    for stage, by_condition in asked.items():
        vlm = load_stage(run.stage(stage) / "model") if stage in seeing(run) else None
        for name in sorted(by_condition, key=list(CONDITIONS).index):
            texts = by_condition[name]
            true = _said(CHECKS["named_precision"].score(items, texts), groups)
            own = ""
            if vlm is not None:
                few = [texts[at] for at in places]
                table = self_retrieval.likelihoods(vlm, some, few, pictures)
                own = _said(own_picture.beaten(table, some, few), clusters(some))
            print(f"{stage}\t{name}\t{true}\t{by_encoder(texts)}\t{own}", flush=True)


def _said(parts: Parts, groups: list[str]) -> str:
    found = score(parts, groups)
    return (
        "" if found is None else bounds({"mean": found.mean, "low": found.low, "high": found.high})
    )


if __name__ == "__main__":
    main()
