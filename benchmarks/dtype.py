"""bfloat16 against float32 on this machine: seconds of a step, and whether the model is as good.

The founding recipe is run once in each dtype, from the same data to the evaluation; weights, their
gradients and the loss are float32 in both, the matrix products are what differs.

    python benchmarks/dtype.py --workdir runs/dtype
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from haiga import events

DTYPES = ("bfloat16", "float32")
STAGES = ("align", "sft")
CHECKS = ("named_precision", "season", "setting", "form")


def run(recipe: Path, dtype: str, workdir: Path) -> Path:
    """The folder of a finished run; what is already done there is not done again."""
    stages = [f"stage.{name}.dtype={dtype}" for name in (*STAGES, "sft_without_pictures")]
    changes = [part for each in (f"name=dtype-{dtype}", *stages) for part in ("--set", each)]
    call = [sys.executable, "-c", "import sys; from haiga.cli import main; sys.exit(main())"]
    subprocess.run([*call, "run", str(recipe), *changes, "--workdir", str(workdir)], check=True)
    return workdir / f"dtype-{dtype}"


def told(folder: Path, stage: str, kind: str) -> list[dict[str, Any]]:
    seen = events.read(folder / "stages" / stage / "events.jsonl")
    return [event for event in seen if event["kind"] == kind]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/floating-world-en.toml"))
    parser.add_argument("--workdir", type=Path, default=Path("runs/dtype"))
    chosen = parser.parse_args()
    folders = {dtype: run(chosen.recipe, dtype, chosen.workdir) for dtype in DTYPES}
    print("| | " + " | ".join(DTYPES) + " |\n|---|" + "---|" * len(DTYPES))
    for stage in STAGES:
        seconds = [
            statistics.median(event["seconds"] for event in told(folder, stage, "step"))
            for folder in folders.values()
        ]
        losses = [told(folder, stage, "validation")[-1]["loss"] for folder in folders.values()]
        print(f"| {stage}: seconds of a step | " + " | ".join(f"{s:.2f}" for s in seconds) + " |")
        print(f"| {stage}: validation loss | " + " | ".join(f"{x:.4f}" for x in losses) + " |")
    for check in CHECKS:
        scores = [
            json.loads((folder / "evaluation" / "summary.json").read_text("utf-8"))["sft"]["full"][
                check
            ]
            for folder in folders.values()
        ]
        shown = [f"{s['mean']:.3f} [{s['low']:.3f}, {s['high']:.3f}]" for s in scores]
        print(f"| sft: {check} | " + " | ".join(shown) + " |")


if __name__ == "__main__":
    main()
