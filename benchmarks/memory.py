"""What `haiga plan` predicts beside what was measured, and the textbook's cases.

    python benchmarks/memory.py

The measured peaks are those of `founding.py` (docs/benchmarks.md): its stages, with its settings of
that day, on one NVIDIA H200. Nothing is run here: the models are laid out without weights, and the
rows are as long as the longest micro-batch of that run's data under its tokenizer.
"""

from __future__ import annotations

import copy
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from haiga.pipeline import fitting
from haiga.pipeline.plan import plan
from haiga.planning.memory import Held, Numbers, Parameters, fixed, mixed, sharded
from haiga.planning.stages import held
from haiga.recipe.schema import Recipe

RECIPE = Path(__file__).parents[1] / "recipes" / "ukiyoe-haiku-en.toml"
ROLLOUT: dict[str, Any] = {
    "rewards": [{"name": "form"}],
    "advantage": {"name": "group_relative"},
    "samples": 8,
    "max_new_tokens": 32,
}


@dataclass(frozen=True)
class Measured:
    """A stage on the H200."""

    gigabytes: float
    groups: int
    prompt: int
    """Tokens beside the picture."""
    answers: int
    answer: int
    """Tokens of an answer, so that all together fill the longest row of that run."""


MEASURED = {
    "align": Measured(33.5, 32, 26, 1, 24),
    "sft": Measured(8.4, 16, 26, 1, 25),
    "qlora": Measured(4.0, 16, 26, 1, 25),
    "orpo": Measured(7.6, 4, 26, 2, 27),
    "kto": Measured(7.6, 4, 26, 3, 23),
    "grpo": Measured(9.3, 8, 26, 8, 32),
}


def main() -> None:
    print(
        "| stage | weights | gradients | optimiser | activations | predicted | measured | ratio |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, found in predicted().items():
        cells = " | ".join(f"{size / 1e9:.2f}" for size in found)
        was, now = MEASURED[name].gigabytes, found.total / 1e9
        print(f"| {name} | {cells} | {now:.1f} | {was} | {now / was:.2f} |")
    print("\n| 7 billion | weights | gradients | optimiser | together |\n|---|---|---|---|---|")
    for name, found in textbook().items():
        cells = " | ".join(f"{size / 1e9:.2f}" for size in found[:3])
        print(f"| {name} | {cells} | {found.total / 1e9:.1f} |")


def predicted() -> dict[str, Held]:
    """Bytes of each measured stage."""
    recipe = as_measured()
    needs = {need.name: need for need in fitting.needs(recipe, plan(recipe))}
    return {
        name: held(
            replace(needs[name].step, question=was.prompt, answers=was.answers),
            was.groups,
            was.answer,
        )
        for name, was in MEASURED.items()
    }


def as_measured() -> Recipe:
    """The founding recipe with the two stages that `founding.py` adds."""
    raw = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    stages = raw["stage"]
    stages["qlora"] = copy.deepcopy(stages["sft"]) | {"optimiser": "paged_adamw"}
    stages["qlora"]["adapter"]["quantised"] = {}
    stages["grpo"] = {k: v for k, v in stages["orpo"].items() if k != "rejected"}
    stages["grpo"] |= {"objective": {"name": "grpo"}, "rollout": ROLLOUT}
    return Recipe.model_validate(raw)


def textbook() -> dict[str, Held]:
    """Seven billion parameters, without activations."""
    whole, adapter = 7_000_000_000, 40_000_000
    bfloat16 = Numbers(kept=2, products=2)
    cut = Parameters(trained=adapter, frozen=0, quantised=whole)
    zero = {f"full, bfloat16, ZeRO-{n} over 8": sharded(mixed(whole), 8, n) for n in (1, 2, 3)}
    return {
        "full, bfloat16 throughout": mixed(whole),
        "full, mixed precision": mixed(whole, weights=6, gradients=4),
        "full, as haiga trains it": fixed(Parameters(trained=whole, frozen=0), Numbers(4, 2)),
        "LoRA of 40 million": fixed(Parameters(trained=adapter, frozen=whole), bfloat16),
        "QLoRA of 40 million": fixed(cut, bfloat16),
        "QLoRA, its moments in pages": fixed(cut, bfloat16, paged=True),
        **zero,
    }


if __name__ == "__main__":
    main()
