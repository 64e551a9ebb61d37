"""What it saves to read a prompt once: a training step on groups against plain passes.

A LLaVA of a SigLIP tower (192 wide, 6 layers, 224 / 16) and a Qwen2 (512 wide, 8 layers,
vocabulary 32,000), LoRA r=16 on the language model and the projector open; 8 groups of a prompt of
236 tokens (196 of them a picture) and two answers of 32 tokens.

    groups   one shared-prefix forward, picture features from the cache, head on answers only,
             LoRA's product in one piece
    plain    prompt + chosen and prompt + rejected side by side, 16 rows through tower and model,
             logits everywhere, as trainers that concatenate a pair do

The work of a step:

    sft      cross-entropy on both answers
    pair     DPO; plain computes the reference without the adapter in every step, groups know it

Processor seconds stand beside wall seconds: on a machine with other work only they can be compared.
Every (way, work) is a fresh process, as only that tells its peak memory: the highest resident size
(`getrusage`) after the steps less the resident size before them. Processes of the ways take turns.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import LlavaConfig, LlavaForConditionalGeneration, Qwen2Config, SiglipVisionConfig

from haiga.batches.groups import GroupBatch, collate
from haiga.batches.render import Branch, Rendered
from haiga.models import lora, products
from haiga.models.branches import token_logps, unshared
from haiga.models.embeddings import tower_features

ROWS, PREFIX, ANSWER, ANSWERS = 8, 236, 32, 2
PATCHES, IMAGE_ID, BETA = 196, 31_999, 0.1
TOWER = {
    "hidden_size": 192,
    "intermediate_size": 768,
    "num_hidden_layers": 6,
    "num_attention_heads": 3,
    "image_size": 224,
    "patch_size": 16,
    "vision_use_head": False,
}
TEXT = {
    "vocab_size": 32_000,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}
TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
WAYS, WORKS = ("groups", "plain"), ("sft", "pair")


def build(way: str) -> Any:
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=SiglipVisionConfig(**TOWER),
            text_config=Qwen2Config(**TEXT),
            image_token_index=IMAGE_ID,
            vision_feature_select_strategy="full",
            vision_feature_layer=-1,
        )
    )
    config = LoraConfig(r=16, lora_alpha=32, target_modules=TARGETS)
    if way == "groups":
        config._register_custom_module({nn.Linear: lora.Linear})  # as models.adapters does
    adapted = get_peft_model(model, config)
    for name, weight in adapted.named_parameters():
        weight.requires_grad_("lora_" in name or "multi_modal_projector" in name)
    return adapted.train()


def groups() -> GroupBatch:
    words = torch.randint(0, IMAGE_ID, (ROWS, PREFIX - PATCHES + ANSWERS * ANSWER)).tolist()
    rows = []
    for r, line in enumerate(words):
        text, rest = line[: PREFIX - PATCHES], line[PREFIX - PATCHES :]
        prefix = (*text[:8], *[IMAGE_ID] * PATCHES, *text[8:])
        answers = tuple(
            Branch(tuple(rest[k * ANSWER : (k + 1) * ANSWER]), (True,) * ANSWER)
            for k in range(ANSWERS)
        )
        rows.append(Rendered(str(r), prefix, answers, ("chosen", "rejected"), (str(r),)))
    return collate(rows, pad_id=0)


def answer_sums(logps: Tensor, batch: GroupBatch) -> Tensor:
    return logps.new_zeros(len(batch.kinds)).index_add(0, batch.answer_of, logps)


def objective(work: str, logps: Tensor, batch: GroupBatch, reference: Tensor | None) -> Tensor:
    if work == "sft":
        return -logps.mean()
    margin = answer_sums(logps, batch) - answer_sums(reference, batch)  # type: ignore[arg-type]
    return -F.logsigmoid(BETA * (margin[0::2] - margin[1::2])).mean()


def group_step(model: Any, batch: GroupBatch, pixels: Tensor, work: str) -> Callable[[], Tensor]:
    with torch.no_grad():
        features = tower_features(model, pixels)
        reference = token_logps(model, batch, features) if work == "pair" else None
    return lambda: objective(work, token_logps(model, batch, features), batch, reference)


def everywhere(model: Any, rows: GroupBatch, pixels: Tensor) -> Tensor:
    """Log-probs of the targets of plain rows, the trainers' way: every position against its next
    token, and a choice afterwards. One picture a row."""
    given = {"input_ids": rows.input_ids, "attention_mask": torch.ones_like(rows.input_ids)}
    logits = model(**given, pixel_values=pixels, use_cache=False).logits
    lines = logits[:, :-1].float().log_softmax(-1)
    every = lines.gather(2, rows.input_ids[:, 1:, None])[..., 0]
    return F.pad(every, (0, 1)).flatten()[rows.sources]


def plain_step(model: Any, batch: GroupBatch, pixels: Tensor, work: str) -> Callable[[], Tensor]:
    rows, pictures = unshared(batch)

    def step() -> Tensor:
        reference = None
        if work == "pair":
            with torch.no_grad(), model.disable_adapter():
                reference = everywhere(model, rows, pixels[pictures])
        return objective(work, everywhere(model, rows, pixels[pictures]), batch, reference)

    return step


STEPS = {"groups": group_step, "plain": plain_step}


def flops(model: Any) -> float:
    """Multiply-adds times two of one "groups" step, counted from the shapes.

    Matrix products only. A frozen matrix is met twice (forward, gradient of its input), a LoRA
    factor or the projector three times (and the gradient of itself); the first layer's input needs
    its gradient, as the projector learns. Attention counts the positions that a query may see,
    twice 2 * head width forward and five such products backward (flash recomputes the scores).
    The head is met twice, at the learned positions only.
    """
    tokens, learned = ROWS * (PREFIX + ANSWERS * ANSWER), ROWS * ANSWERS * ANSWER
    total = 0.0
    for name, weight in model.named_parameters():
        if "vision_tower" in name or weight.ndim != 2 or "embed_tokens" in name:
            continue
        projector = "multi_modal_projector" in name
        places = ROWS * PATCHES if projector else tokens
        meetings = 3 if weight.requires_grad else 2
        if projector and "linear_1" in name:
            meetings = 2  # the features themselves need no gradient
        total += 2.0 * weight.numel() * places * meetings
    head = model.get_output_embeddings().weight
    total += 2.0 * head.numel() * learned * 2
    seen = PREFIX * (PREFIX + 1) / 2 + ANSWERS * (ANSWER * PREFIX + ANSWER * (ANSWER + 1) / 2)
    total += ROWS * seen * TEXT["hidden_size"] * 2.0 * 7 * TEXT["num_hidden_layers"]
    return total


def peak() -> float:
    """Multiply-adds times two a second: the best of products of the step's own shapes, fp32, by
    torch's own product or by haiga's."""
    width, inner = TEXT["hidden_size"], TEXT["intermediate_size"]
    left, right = torch.randn(ROWS * 300, width), torch.randn(inner, width)
    best = 0.0
    for multiply in (F.linear, products.linear):
        for _ in range(40):
            start = time.perf_counter()
            multiply(left, right)
            best = max(best, 2 * left.numel() * inner / (time.perf_counter() - start))
    return best


def resident() -> int:
    """Highest resident size of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(way: str, work: str, steps: int) -> dict[str, Any]:
    """Seconds of each step and bytes of peak memory, in this process."""
    model, batch = build(way), groups()
    pixels = torch.randn(ROWS, 3, 224, 224)
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-4)
    before = resident()
    step = STEPS[way](model, batch, pixels, work)
    seconds, work_seconds, losses = [], [], []
    for _ in range(steps + 1):
        start, work_start = time.perf_counter(), time.process_time()
        loss = step()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - start)
        work_seconds.append(time.process_time() - work_start)
        losses.append(loss.item())
    return {
        "seconds": seconds[1:],  # the first warms up
        "cpu": work_seconds[1:],
        "bytes": resident() - before,
        "losses": losses,
        "flops": flops(model),
        "peak": peak(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--steps", type=int, default=5, help="steps of each process")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each way and work")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "WORK"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one, options.steps)))
        return
    results: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _ in range(options.rounds):
        for work in WORKS:
            for way in WAYS:
                command = [sys.executable, __file__, "--steps", str(options.steps)]
                done = subprocess.run(
                    [*command, "--one", way, work], check=True, capture_output=True, text=True
                )
                results.setdefault((way, work), []).append(json.loads(done.stdout))
    table(results)


def table(results: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    best = max(run["peak"] for runs in results.values() for run in runs)
    print(f"{torch.get_num_threads()} threads, fp32, best matrix product {best / 1e9:.0f} GFLOP/s")
    heads = ("s / step", "times", "cpu s", "times", "peak MB", "of peak", "first loss")
    print("work  way     {:>9}{:>7}{:>9}{:>7}{:>9}{:>9}{:>12}".format(*heads))
    for work in WORKS:
        for way in WAYS:
            wall, cpu = (_median(results[way, work], name) for name in ("seconds", "cpu"))
            wall_0, cpu_0 = (_median(results["plain", work], name) for name in ("seconds", "cpu"))
            runs = results[way, work]
            size = statistics.median(run["bytes"] for run in runs) / 1e6
            share = f"{runs[0]['flops'] / wall / best:.0%}" if way == "groups" else ""
            print(
                f"{work:6}{way:8}{wall:9.3f}{wall_0 / wall:7.2f}{cpu:9.3f}{cpu_0 / cpu:7.2f}"
                f"{size:9.0f}{share:>9}{runs[0]['losses'][0]:12.5f}"
            )


def _median(runs: list[dict[str, Any]], name: str) -> float:
    return statistics.median(value for run in runs for value in run[name])


if __name__ == "__main__":
    main()
