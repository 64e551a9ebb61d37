"""A step of post-training by haiga and by TRL, on the same checkpoint and the same rows.

The checkpoint is that of `group_forward.py`: a SigLIP tower (192 wide, 6 layers, 224 / 16) and a
Qwen2 (512 wide, 8 layers, vocabulary 32,000), LoRA r=16 on the language model and the rest frozen,
float32. A group is a prompt of 236 tokens (196 of them a picture) with two answers of 32 tokens.

    sft    8 groups, one answer each      trl.SFTTrainer, 8 rows
    dpo    8 groups of two answers        trl.DPOTrainer, 8 pairs
    kto    8 groups of two answers        trl.KTOTrainer, 16 rows
    orpo   8 groups of two answers        plain passes: TRL has no ORPO with pictures
    grpo   2 prompts, 8 samples of 32     trl.GRPOTrainer, without a KL term
    rloo   2 prompts, 8 samples of 32     trl.RLOOTrainer, KL 0.05 in the reward

Both sides begin from the same adapter, read the same rows in the same order, and move them by the
same AdamW. Losses of the first epoch must agree to 1e-4, and so must what both say of a known
answer; of a rollout, which each draws for itself, the number of samples and their lengths. KTO's
reference point is measured on mismatched answers on both sides, one for each picture here and one
for each answer there: before the first step it is 0 for both.

Two forms. Cold is one epoch that begins with nothing known: rendering, picture features, reference
log-probs, and then the steps, divided by the steps. Steady is the median step of later epochs. TRL
reads every picture and asks the reference in every step, so both forms cost it the same.
Processor seconds stand beside, as in `group_forward.py`.

Every (side, work) is a fresh process, and sides take turns. Its memory is the highest resident size
(`getrusage`), whole, and less that before the first step. The limit is arithmetic: multiply-adds
times two of a step's matrix products, counted from their shapes as they run, over the best rate
that products of the model's shapes reach on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from group_forward import peak
from preference_rows import FULL, TOY, write
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

WORKS = ("sft", "dpo", "kto", "orpo", "grpo", "rloo")
SIDES = ("trl", "haiga")
GOALS = {"sft": (2, 2), "dpo": (6, 8), "kto": (8, 10), "grpo": (8, 8), "rloo": (8, 8)}
"""How many times faster haiga is meant to be: cold, steady."""
TOLERANCE = 1e-4
LENGTHS = 2
"""How far the mean lengths of two rollouts may be apart: by chance, a sample may draw its end."""
QUIET = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TQDM_DISABLE": "1"}
Results = dict[tuple[str, str], list[dict[str, Any]]]


def main() -> None:
    options = arguments()
    if options.one:
        side, work, folder = options.one
        print(json.dumps(one(side, work, Path(folder), options)))
        return
    results: Results = {}
    with TemporaryDirectory() as scratch:
        write(Path(scratch), TOY if options.toy else FULL)
        for again in range(options.repeat):
            for work in options.works:
                for side in SIDES if again % 2 == 0 else SIDES[::-1]:
                    run = child(side, work, scratch, options, ["--count"] if again == 0 else [])
                    results.setdefault((side, work), []).append(run)
                agree(work, *(results[side, work][-1] for side in SIDES))
    for line in table(results, options.works):
        print(line)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=WORKS)
    parser.add_argument("--steps", type=int, default=2, help="steps of an epoch; there are two")
    parser.add_argument("--repeat", type=int, default=3, help="processes of each side and work")
    parser.add_argument("--toy", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def child(
    side: str, work: str, folder: str, options: argparse.Namespace, more: Sequence[str]
) -> dict[str, Any]:
    """What one fresh process has measured."""
    command = [sys.executable, __file__, "--one", side, work, folder, *more]
    command += ["--steps", str(options.steps), *(["--toy"] if options.toy else [])]
    print(time.strftime("%H:%M:%S"), side, work, file=sys.stderr)
    done = subprocess.run(command, env=os.environ | QUIET, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{side} failed at {work}:\n{done.stderr[-4000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def one(side: str, work: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One side's two epochs in this process; then, perhaps, what they compute."""
    sizes = TOY if options.toy else FULL
    if side == "trl":
        from preference_peer import run
    else:
        from preference_haiga import run
    seen = run(work, folder, sizes, options.steps, seconds) | {"rate": peak()}
    if options.count:
        with flops() as total:
            seen["flops"] = forms(run(work, folder, sizes, 1, total)["marks"], 0)
    return seen


def seconds() -> tuple[float, float]:
    """Of the wall, and of the processor: with other work about, only the second compares."""
    return time.perf_counter(), time.process_time()


@contextmanager
def flops() -> Iterator[Callable[[], tuple[float]]]:
    """How many multiply-adds, times two, have been made so far."""
    ops = torch.ops.aten
    uncounted = {  # attention, which torch counts on GPUs alone, and haiga's products
        torch.ops.mkldnn._linear_pointwise: product,
        ops._scaled_dot_product_flash_attention_for_cpu: forward_attention,
        ops._scaled_dot_product_flash_attention_for_cpu_backward: backward_attention,
    }
    with FlopCounterMode(display=False, custom_mapping=uncounted) as counter:
        yield lambda: (float(counter.get_total_flops()),)


def product(x: Any, weight: Any, *rest: Any, **named: Any) -> int:
    return int(2 * x[0] * x[1] * weight[0])


def forward_attention(query: Any, key: Any, value: Any, *rest: Any, **named: Any) -> int:
    return sdpa_flop_count(query, heads(key, query), heads(value, query))


def backward_attention(
    grad: Any, query: Any, key: Any, value: Any, *rest: Any, **named: Any
) -> int:
    return sdpa_backward_flop_count(grad, query, heads(key, query), heads(value, query))


def heads(shared: Sequence[int], query: Sequence[int]) -> tuple[int, ...]:
    """Keys and values as often as queries meet them."""
    return (shared[0], query[1], *shared[2:])


def agree(work: str, peer: dict[str, Any], own: dict[str, Any]) -> None:
    """Stop where the two sides have not done the same work."""
    gaps = {"log-prob of a known answer": abs(peer["known"] - own["known"])}
    if own["lengths"]:
        pairs = zip(peer["lengths"], own["lengths"], strict=True)
        if any(abs(a - b) > LENGTHS for a, b in pairs):
            raise SystemExit(f"{work}: rollouts of {peer['lengths']} and {own['lengths']} tokens.")
    else:
        gaps["first loss"] = abs(peer["losses"][0] - own["losses"][0])
    for name, gap in gaps.items():
        if not gap <= TOLERANCE:
            raise SystemExit(f"{work}: the two sides differ in the {name} by {gap:.2g}.")


def forms(marks: Sequence[Sequence[float]], of: int) -> dict[str, list[float]]:
    """What a step took by one of the clocks, cold and steady."""
    read, half = [mark[of] for mark in marks], len(marks) // 2
    later = [b - a for a, b in zip(read[half:-1], read[half + 1 :], strict=True)]
    return {"cold": [(read[half] - read[0]) / half], "steady": later}


def median(runs: Sequence[dict[str, Any]], form: str, of: int) -> float:
    return statistics.median(value for run in runs for value in forms(run["marks"], of)[form])


HEADS = (
    *("work", "form", "TRL, s", "haiga, s", "times", "goal", "by processor seconds"),
    *("limit, s", "times at the limit", "TRL, TFLOP", "haiga, TFLOP"),
    *("TRL, GB", "haiga, GB", "share", "whole process"),
)


def table(results: Results, works: Sequence[str]) -> Iterator[str]:
    best = max(run["rate"] for runs in results.values() for run in runs)
    yield f"{torch.get_num_threads()} threads, best matrix product {best / 1e9:.0f} GFLOP/s"
    yield ""
    yield "| " + " | ".join(HEADS) + " |"
    yield "|" + "---|" * len(HEADS)
    for work in works:
        peer, own = (results[side, work] for side in SIDES)
        for form, goal in zip(("cold", "steady"), GOALS.get(work, ("", "")), strict=True):
            yield "| " + " | ".join([work, form, *cells(peer, own, form, str(goal), best)]) + " |"


def cells(
    peer: list[dict[str, Any]], own: list[dict[str, Any]], form: str, goal: str, best: float
) -> list[str]:
    wall, cpu = ([median(runs, form, of) for runs in (peer, own)] for of in (0, 1))
    done = [runs[0]["flops"][form][0] for runs in (peer, own)]
    step, whole = (
        [statistics.median(run[name] for run in runs) / 1e9 for runs in (peer, own)]
        for name in ("bytes", "whole")
    )
    limit = done[1] / best
    return [
        *(f"{wall[0]:.3g}", f"{wall[1]:.3g}", f"{wall[0] / wall[1]:.1f}", goal),
        *(f"{cpu[0] / cpu[1]:.1f}", f"{limit:.3g}", f"{wall[0] / limit:.1f}"),
        *(f"{done[0] / 1e12:.3g}", f"{done[1] / 1e12:.3g}"),
        *(f"{step[0]:.2f}", f"{step[1]:.2f}", f"{step[1] / step[0]:.2f}"),
        f"{whole[1]:.2f} / {whole[0]:.2f} = {whole[1] / whole[0]:.2f}",
    ]


if __name__ == "__main__":
    main()
