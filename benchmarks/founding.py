"""The founding recipe at its real size on one GPU, with random weights in place of published ones.

    python benchmarks/founding.py

What weights say has no part in what a step costs, so nothing is downloaded: a SigLIP tower and a
Qwen2.5-3B by their published configs, the floating world's prints and tokenizer, and each stage
of `recipes/ukiyoe-haiku-en.toml` as it stands, for a few steps. Two stages are added: `qlora`, SFT
over four bits, and `grpo`, with 8 samples of 32 tokens. All by `haiga run`; seconds, tokens and
memory are what its events say (memory: of tensors, at once), the first two steps left out.

Then a step on 8 groups of two answers on the same model, by the shared prefix and by plain passes,
as `group_forward.py` does on a CPU: LoRA r=16 and the projector, products in bfloat16, no
checkpointing. The two ways differ in nothing but in how they read.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import gc
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import group_forward as forward
import torch
from transformers import AutoTokenizer, Qwen2ForCausalLM, SiglipImageProcessorPil, SiglipVisionModel

from haiga import events
from haiga.models import known
from haiga.models.variants import cutting
from haiga.pipeline.run import checkpoint
from haiga.recipe import toml
from haiga.store.files import read_json

RECIPE = Path(__file__).parents[1] / "recipes" / "ukiyoe-haiku-en.toml"
TOY = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
CADENCES = ("validate_every", "sample_every", "save_every")
GRPO: dict[str, Any] = {
    "objective": {"name": "grpo"},
    "rollout": {
        "rewards": [{"name": "form"}],
        "advantage": {"name": "group_relative"},
        "samples": 8,
        "max_new_tokens": 32,
    },
    "batch": 16,
    "micro_batch": 8,
}


def main() -> None:
    options = arguments()
    with TemporaryDirectory(dir=options.workdir) as scratch:
        home = Path(scratch)
        models(home, options.toy)
        for dtype in options.dtypes:
            recipe = home / f"{dtype}.toml"
            recipe.write_text(toml.write(sections(home, dtype, options)), encoding="utf-8")
            began = time.perf_counter()
            words = [sys.executable, "-m", "haiga", "run", str(recipe), "--workdir", scratch]
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(words, check=True, timeout=options.limit)
            print(f"\nweights in {dtype}; the run: {time.perf_counter() - began:.0f} s\n")
            for line in (*stages(home / dtype), *evaluation(home / dtype)):
                print(line, flush=True)
    if torch.cuda.is_available():
        for line in reading(options.steps):
            print(line, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16"], help="of weights")
    parser.add_argument("--steps", type=int, default=8, help="steps of each stage")
    parser.add_argument("--prints", type=int, default=600)
    parser.add_argument("--held-out", type=int, default=32)
    parser.add_argument("--leave-out", nargs="*", default=[], help="stages")
    parser.add_argument("--limit", type=float, help="seconds, after which a run is cut short")
    parser.add_argument("--workdir", type=Path)
    parser.add_argument("--toy", action="store_true", help="tiny models, to see that it runs")
    return parser.parse_args()


def models(home: Path, toy: bool) -> None:
    """Checkpoints of the recipe's models with random weights, and the world's tokenizer."""
    raw = tomllib.loads(RECIPE.read_text(encoding="utf-8"))["model"]
    eyes, text = (known.config(checkpoint(raw[name])) for name in ("tower", "language_model"))
    eyes, words = eyes.vision_config, checkpoint("world:language")
    if toy:
        for config in (eyes, text):
            config.update({**TOY, "num_attention_heads": 2})
        text.update({"layer_types": ["full_attention"] * 2, "vocab_size": 2000})
    tokenizer = AutoTokenizer.from_pretrained(words)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        tower, language = SiglipVisionModel(eyes), Qwen2ForCausalLM(text)
    torch.set_default_dtype(torch.float32)
    language.generation_config.eos_token_id = tokenizer.eos_token_id
    tower.save_pretrained(home / "tower")
    SiglipImageProcessorPil().save_pretrained(home / "tower")
    language.save_pretrained(home / "language")
    tokenizer.save_pretrained(home / "language")


def sections(home: Path, dtype: str, options: argparse.Namespace) -> dict[str, Any]:
    """The founding recipe on made prints, its stages a few steps each, and two stages more."""
    raw = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    raw |= {"name": dtype, "source": {"name": "floating_world", "prints": options.prints}}
    raw["curate"] = {"pictures": [{"name": "blank"}], "hamming": 2}
    raw["teach"] = {"teacher": {"name": "poet"}, "tasks": ["haiku", "bare"]}
    raw["split"] = {"held_out": options.held_out, "validation": 16}
    raw["model"] |= {"tower": str(home / "tower"), "language_model": str(home / "language")}
    raw["model"] |= {"dtype": dtype}
    raw["evaluate"] = {"conditions": ["full", "blind"], "max_new_tokens": 32, "batch": 32}
    if cutting():
        raw["evaluate"]["variants"] = ["int8_tower", "int4_language_model"]
    stages = raw["stage"]
    stages["sft"]["tasks"] = ["haiku"]  # the poet criticises nothing
    if torch.cuda.is_available():
        stages["qlora"] = copy.deepcopy(stages["sft"]) | {"optimiser": "paged_adamw"}
        stages["qlora"]["adapter"]["quantised"] = {}
    stages["grpo"] = {k: v for k, v in stages["orpo"].items() if k != "rejected"} | GRPO
    for name in set(stages) & set(options.leave_out):
        del stages[name]
    for stage in stages.values():
        stage.pop("epochs", None)
        stage |= {"steps": options.steps} | dict.fromkeys(CADENCES, options.steps)
        if stage["objective"]["name"] != "cross_entropy":
            stage["watch"] = {"every": options.steps, "pictures": 8}
    return raw


def stages(run: Path) -> Iterator[str]:
    """A line for each stage that came to its third step."""
    yield "| stage | groups a step | s a step | groups / s | tokens / s | peak GB | first check |"
    yield "|---|---|---|---|---|---|---|"
    for folder in sorted((run / "stages").iterdir(), key=lambda each: each.stat().st_mtime):
        seen = events.read(folder / "events.jsonl")
        of = {event["kind"]: event for event in seen}
        steps = [event for event in seen if event["kind"] == "step"][2:]
        if not steps:
            continue
        took = statistics.median(event["seconds"] for event in steps)
        tokens = statistics.median(event["tokens_per_second"] for event in steps)
        rows = of["started"]["effective_batch"]
        peak = of.get("memory", {}).get("peak_bytes", 0) / 1e9
        gap = of["shared_prefix"]["max_difference"] if "shared_prefix" in of else float("nan")
        yield (
            f"| {folder.name} | {rows} | {took:.2f} | {rows / took:.1f} | {tokens:,.0f} | "
            f"{peak:.1f} | {gap:.1e} |"
        )


def evaluation(run: Path) -> Iterator[str]:
    """What an answer costs, of the last model as it is and in fewer bits."""
    answers = sum(
        len(path.read_text(encoding="utf-8").splitlines())
        for path in (run / "evaluation").rglob("*.jsonl")
    )
    yield f"\nevaluation: {answers} rows written"
    file = run / "evaluation" / "cost.json"
    if not file.exists():
        return
    whole = read_json(file)
    yield "\n| model | GB | tokens / s alone | best batch | answers / s | peak GB |"
    yield "|---|---|---|---|---|---|"
    for name, cost in {whole["stage"]: whole, **whole["variants"]}.items():
        best = max(row["answers_per_second"] for row in cost["batches"])
        yield (
            f"| {name} | {cost['parameters_bytes'] / 1e9:.2f} | {cost['tokens_per_second']:.0f} | "
            f"{cost['best_batch']} | {best:.1f} | {(cost['peak_bytes'] or 0) / 1e9:.1f} |"
        )
    yield "\none answer alone, ms: " + ", ".join(
        f"{name} {1e3 * each['median']:.1f}" for name, each in whole["phases"].items()
    )


def reading(steps: int) -> Iterator[str]:
    """A step on 8 groups of two answers, one way and the other, at the founding size."""
    text = known.config("Qwen/Qwen2.5-3B-Instruct").to_dict()
    eyes = known.config("google/siglip-base-patch16-224").vision_config.to_dict()
    forward.TEXT = {name: text[name] for name in forward.TEXT}
    forward.TOWER = {name: eyes.get(name, default) for name, default in forward.TOWER.items()}
    torch.set_default_device("cuda")
    yield "\n| work | way | s a step | times | peak GB |\n|---|---|---|---|---|"
    for work in forward.WORKS:
        slow = None
        for way in ("plain", "groups"):
            seconds, size = step(way, work, steps)
            slow = slow or seconds
            yield f"| {work} | {way} | {seconds:.3f} | {slow / seconds:.1f} | {size / 1e9:.1f} |"


def step(way: str, work: str, steps: int) -> tuple[float, int]:
    """Median seconds of a step, and the most bytes that it held."""
    torch.set_default_dtype(torch.bfloat16)
    model = forward.build(way)
    torch.set_default_dtype(torch.float32)
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in learning:
        weight.data = weight.data.float()
    optimizer = torch.optim.AdamW(learning, lr=1e-4)
    batch, pixels = forward.groups(), torch.randn(forward.ROWS, 3, 224, 224)
    with torch.autocast("cuda", torch.bfloat16):
        once = forward.STEPS[way](model, batch, pixels.bfloat16(), work)
    torch.cuda.reset_peak_memory_stats()
    seconds: list[float] = []
    for _ in range(steps + 2):
        torch.cuda.synchronize()
        began = time.perf_counter()
        with torch.autocast("cuda", torch.bfloat16):
            loss = once()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    size = torch.cuda.max_memory_allocated()
    del model, learning, optimizer, once, loss
    gc.collect()
    torch.cuda.empty_cache()
    return statistics.median(seconds[2:]), size


if __name__ == "__main__":
    main()
