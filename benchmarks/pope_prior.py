"""What POPE gives to one who looks at no picture and knows which things are usual.

    python benchmarks/pope_prior.py POPE/output/coco

The folder is that of the published questions (AoiDragon/POPE), `coco_pope_<split>.json` in it; no
picture is needed. The answers are those of the control `text_prior`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from haiga.evaluation.benchmarks.pope import CHECKS, SPLITS, macro_f1, prior
from haiga.evaluation.checks import clusters, score
from haiga.evaluation.conditions import Item
from haiga.records import Picture, Score, user


def questions(folder: Path) -> list[Item]:
    """The published ones, in the order of their files."""
    rows = [
        (split, json.loads(line))
        for split in SPLITS
        for line in (folder / f"coco_pope_{split}.json").read_text(encoding="utf-8").splitlines()
    ]
    return [
        Item(
            id=f"{split}:{row['question_id']}",
            prompt=(user(row["text"]),),
            pictures=(Picture(row["image"]),),
            reference=row["label"],
            truth={"categories": [split]},
        )
        for split, row in rows
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    items = questions(parser.parse_args().folder)
    answers = prior(items)
    found: dict[str, Score | None] = {
        name: score(CHECKS[name].score(items, answers), clusters(items))
        for name in ("accuracy", "f1", *(f"f1_{split}" for split in SPLITS))
    }
    found["macro_f1"] = macro_f1(items, answers, 0)
    for name, each in found.items():
        if each is not None:
            print(f"{name}\t{each.mean:.3f} [{each.low:.3f}, {each.high:.3f}] of {each.n:,}")


if __name__ == "__main__":
    main()
