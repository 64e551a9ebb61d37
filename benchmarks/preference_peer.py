"""The other side of `preference_step.py`: TRL's trainers, and a plain step where TRL has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import trl
from datasets import Dataset
from group_forward import everywhere, resident
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from PIL import Image
from preference_haiga import BETA, EPOCHS, KL, OBJECTIVES, RATE, ROLLOUTS, SEED
from preference_rows import ADAPTER, ALPHA, RANK, Sizes, groups, letters
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoProcessor, LlavaForConditionalGeneration, TrainerCallback

from haiga.batches.groups import collate
from haiga.batches.render import render
from haiga.models.branches import unshared
from haiga.models.designs import DESIGNS
from haiga.models.fit import pixels
from haiga.objectives.bind import bind_objective
from haiga.records import Group, message_to_dict
from haiga.training.order import batch_indices

Clock = Callable[[], tuple[float, ...]]
TARGETS = DESIGNS["llava"].targets
LORA = {"r": RANK, "lora_alpha": ALPHA, "target_modules": TARGETS, "task_type": "CAUSAL_LM"}
COMMON = {
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "learning_rate": RATE,
    "lr_scheduler_type": "constant",
    "max_grad_norm": 1.0,
    "report_to": "none",
    "save_strategy": "no",
    "logging_steps": 1,
    "disable_tqdm": True,
    "dataloader_pin_memory": False,
}


@dataclass(frozen=True)
class Peer:
    """A trainer of TRL, the rows that it wants, and the options in which works differ."""

    trainer: Any
    config: Any
    rows: Callable[[Sequence[Group], Mapping[str, Image.Image]], Iterator[dict[str, Any]]]
    options: Callable[[Sizes], dict[str, Any]]


def prompted(group: Group, views: Mapping[str, Image.Image]) -> dict[str, Any]:
    prompt = [message_to_dict(message) for message in group.prompt]
    return {"prompt": prompt, "images": [views[picture.id] for picture in group.pictures]}


def said(group: Group, at: int) -> list[dict[str, Any]]:
    return [message_to_dict(message) for message in group.answers[at].messages]


def single(groups: Sequence[Group], views: Mapping[str, Image.Image]) -> Iterator[dict[str, Any]]:
    yield from ({**prompted(group, views), "completion": said(group, 0)} for group in groups)


def paired(groups: Sequence[Group], views: Mapping[str, Image.Image]) -> Iterator[dict[str, Any]]:
    for group in groups:
        yield {**prompted(group, views), "chosen": said(group, 0), "rejected": said(group, 1)}


def labelled(groups: Sequence[Group], views: Mapping[str, Image.Image]) -> Iterator[dict[str, Any]]:
    """Good answers, then bad ones: the neighbour's answer, which TRL takes for KTO's reference
    point, is then another picture's."""
    for at, label in ((0, True), (1, False)):
        for group in groups:
            yield {**prompted(group, views), "completion": said(group, at), "label": label}


def asked_only(
    groups: Sequence[Group], views: Mapping[str, Image.Image]
) -> Iterator[dict[str, Any]]:
    yield from (prompted(group, views) for group in groups)


def known(rows: int) -> Callable[[Sizes], dict[str, Any]]:
    """Options of a trainer on known answers, which makes `rows` of a group."""
    return lambda sizes: {
        "per_device_train_batch_size": sizes.groups * rows,
        "max_length": None,
        "train_sampling_strategy": "sequential",
    }


def sampled(**own: Any) -> Callable[[Sizes], dict[str, Any]]:
    return lambda sizes: {
        "per_device_train_batch_size": sizes.prompts * sizes.samples,
        "num_generations": sizes.samples,
        "max_completion_length": sizes.answer,
        "shuffle_dataset": False,
        **own,
    }


PEERS: dict[str, Peer] = {
    "sft": Peer(trl.SFTTrainer, trl.SFTConfig, single, known(1)),
    "dpo": Peer(
        trl.DPOTrainer, trl.DPOConfig, paired, lambda sizes: {**known(1)(sizes), "beta": BETA}
    ),
    "kto": Peer(
        trl.KTOTrainer, trl.KTOConfig, labelled, lambda sizes: {**known(2)(sizes), "beta": BETA}
    ),
    "grpo": Peer(trl.GRPOTrainer, trl.GRPOConfig, asked_only, sampled(beta=0.0)),
    "rloo": Peer(trl.RLOOTrainer, trl.RLOOConfig, asked_only, sampled(beta=KL)),
}


class Marks(TrainerCallback):
    """The clock after each step, and what TRL says of the rollout."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.marks: list[tuple[float, ...]] = []
        self.lengths: list[float] = []

    def on_step_end(self, *given: Any, **named: Any) -> None:
        self.marks.append(self.clock())

    def on_log(self, *given: Any, logs: dict[str, float], **named: Any) -> None:
        if "completions/mean_length" in logs:
            self.lengths.append(logs["completions/mean_length"])


def run(work: str, folder: Path, sizes: Sizes, steps: int, clock: Clock) -> dict[str, Any]:
    """As haiga's `run`, by TRL, or by plain passes where TRL has no such trainer with pictures."""
    size = sizes.prompts if work in ROLLOUTS else sizes.groups
    asked, files = groups(sizes, size * steps)
    # haiga's order, so that the first epoch has the same losses on both sides.
    order = [batch_indices(len(asked), size, step, SEED) for step in range(steps)]
    batches = [[asked[at] for at in places] for places in order]
    views = {id: Image.open(BytesIO(file)).convert("RGB") for id, file in files.items()}
    model = LlavaForConditionalGeneration.from_pretrained(folder / "base", dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(folder / "base")
    side = by_trl if work in PEERS else by_plain_passes
    seen = {"known": known_logp(model, processor, asked[0], views), "lengths": []}
    return seen | side(Given(work, sizes, batches, views, model, processor, folder), clock)


@dataclass(frozen=True)
class Given:
    """What is trained, and on what."""

    work: str
    sizes: Sizes
    batches: Sequence[Sequence[Group]]
    """The groups of each step of an epoch."""
    views: Mapping[str, Image.Image]
    model: Any
    processor: Any
    folder: Path


def by_trl(given: Given, clock: Clock) -> dict[str, Any]:
    peer, seen, losses = PEERS[given.work], Marks(clock), []
    rows = [row for batch in given.batches for row in peer.rows(batch, given.views)]
    rewards = {"reward_funcs": rewarded} if given.work in ROLLOUTS else {}
    with TemporaryDirectory() as scratch:
        trainer = peer.trainer(
            model=given.model,
            args=peer.config(
                output_dir=scratch,
                max_steps=EPOCHS * len(given.batches),
                **COMMON,
                **peer.options(given.sizes),
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=given.processor,
            peft_config=LoraConfig(**LORA),
            callbacks=[seen],
            **rewards,
        )
        set_peft_model_state_dict(trainer.model, load_file(given.folder / ADAPTER))
        whole = trainer.compute_loss

        def noted(*handed: Any, **named: Any) -> Any:
            loss = whole(*handed, **named)
            losses.append(float(loss[0] if isinstance(loss, tuple) else loss))
            return loss

        trainer.compute_loss = noted
        before = resident()
        start = clock()
        trainer.train()
    marks = {"marks": [start, *seen.marks], "losses": losses, "lengths": seen.lengths}
    return {**marks, "bytes": resident() - before, "whole": resident()}


def by_plain_passes(given: Given, clock: Clock) -> dict[str, Any]:
    """Prompt and answer of each answer side by side, through tower and model, logits everywhere."""
    model = get_peft_model(given.model, LoraConfig(**LORA)).train()
    set_peft_model_state_dict(model, load_file(given.folder / ADAPTER))
    objective = bind_objective(OBJECTIVES[given.work], "objective").function
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=RATE, weight_decay=0.0)
    before, losses = resident(), []
    marks = [clock()]
    for batch in given.batches * EPOCHS:
        loss = objective(**columns(given, model, batch))
        (loss.total / loss.count).backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(float(loss.total) / loss.count)
        marks.append(clock())
    seen = {"marks": marks, "losses": losses}
    return {**seen, "bytes": resident() - before, "whole": resident()}


def columns(given: Given, model: Any, batch: Sequence[Group]) -> dict[str, Tensor]:
    """The columns of an objective on pairs, from one plain row for each answer."""
    rendered = [render(given.processor, group, given.sizes.patches) for group in batch]
    together = collate(rendered, given.processor.tokenizer.pad_token_id)
    rows, _ = unshared(together)
    views = [given.views[id] for names in rows.picture_ids for id in names]
    pixel_values = pixels(given.processor.image_processor, views)
    logps = everywhere(model, rows, pixel_values)
    sums = logps.new_zeros(len(together.kinds)).index_add(0, together.answer_of, logps)
    lengths = torch.bincount(together.answer_of)
    return {
        "chosen_logps": sums[0::2],
        "rejected_logps": sums[1::2],
        "chosen_lengths": lengths[0::2],
        "rejected_lengths": lengths[1::2],
    }


def known_logp(model: Any, processor: Any, group: Group, views: Mapping[str, Image.Image]) -> float:
    """Mean log-prob of the tokens of a group's first answer, by transformers alone."""
    rows = [message_to_dict(message) for message in group.prompt]
    answer = [message_to_dict(message) for message in group.answers[0].messages]
    prompt = processor.apply_chat_template(rows, add_generation_prompt=True)
    text = processor.apply_chat_template(rows + answer)
    pictures = [views[picture.id] for picture in group.pictures]
    start = processor(images=pictures, text=prompt, return_tensors="pt").input_ids.shape[1]
    given = processor(images=pictures, text=text, return_tensors="pt")
    with torch.no_grad():
        lines = model(**given).logits[0, start - 1 : -1].log_softmax(-1)
    return float(lines.gather(1, given.input_ids[0, start:, None]).mean())


def rewarded(completions: Sequence[Any], **row: Any) -> list[float]:
    return [letters(each[0]["content"]) for each in completions]
