"""Rollouts: the policy answers its prompts, is rewarded, and learns from what it wrote.

A rollout answers one batch of prompts, G samples each, with the picture and prompt read once; it
notes beside every sampled token what the policy, the reference and the critic said of it, and how
much better than expected it turned out. An optimiser step then learns from part of it. Everything
noted is kept in `rollouts/<number>.jsonl`, which a person can read and a resumed run goes on from:
a step in the middle of a rollout must learn from answers of weights that are gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from haiga.batches.groups import GroupBatch
from haiga.batches.render import Rendered
from haiga.events import Event, Sink
from haiga.models.assemble import Vlm
from haiga.models.device import ranks
from haiga.models.sample import ends_of
from haiga.objectives.advantages import Baseline
from haiga.recipe.schema import Rollout
from haiga.records import Group
from haiga.rewards.base import Sample
from haiga.rewards.combine import Part, Rewarded, combine, metrics, require_scores
from haiga.training.advantage import Seen, Worth
from haiga.training.decode import decode, text_of
from haiga.training.forward import Forward, columns_named
from haiga.training.order import batch_indices, share, split
from haiga.training.references import as_it_started
from haiga.training.written import Written, batch_of, by_row, last_baseline, read, sampled, write


@dataclass(frozen=True)
class Policy:
    """What rolls out, and by which rules."""

    vlm: Vlm
    rows: Sequence[Rendered]
    groups: Mapping[str, Group]
    """Row id -> its group, with the truth that a reward may know."""
    collate: Callable[[Sequence[Rendered]], GroupBatch]
    pictures: Mapping[str, bytes]
    parts: tuple[Part, ...]
    """The rewards, weighted."""
    worth: Callable[[Seen], Worth]
    """How rewards become advantages."""
    needs: frozenset[str]
    """The columns that the objective names."""
    settings: Rollout
    start: Mapping[str, Tensor]
    """What learns beside the adapter, as it stood before the first step; nothing where the
    reference is not asked."""
    dtype: torch.dtype
    folder: Path
    """Where rollouts are written."""
    batch: int
    micro: int
    seed: int
    emit: Sink

    @property
    def updates(self) -> int:
        """Optimiser steps that learn from one rollout."""
        return self.settings.epochs * self.settings.minibatches

    def read(self, rows: Sequence[Rendered]) -> GroupBatch:
        """A batch that is read at the temperature that its answers are drawn at."""
        return replace(self.collate(rows), temperature=self.settings.temperature)


def batches(policy: Policy) -> Callable[[int], list[GroupBatch]]:
    """step -> this rank's micro-batches: from a new rollout, or from the one being learned from."""
    held: dict[int, list[Written]] = {}
    policy = replace(policy, emit=_once(policy.emit))

    def of_step(step: int) -> list[GroupBatch]:
        number, update = divmod(step, policy.updates)
        if number not in held:
            fresh = _roll(policy, number) if update == 0 else _again(policy, number)
            held.clear()
            held[number] = fresh
        epoch, part = divmod(update, policy.settings.minibatches)
        order = np.random.default_rng([policy.seed, number, epoch]).permutation(len(held[number]))
        parts = min(policy.settings.minibatches, _most(policy, number))
        chosen = [held[number][at] for at in order[part % parts :: parts]]
        made = [batch_of(rows, policy.read) for rows in split(chosen, policy.micro)]
        return [replace(batch, fresh=policy.updates == 1) for batch in made]

    return of_step


def _once(emit: Sink) -> Sink:
    """Says the same words once, however many rollouts they hold for."""
    told: set[str] = set()

    def sink(event: Event) -> None:
        text = event.get("text")
        if text not in told:
            emit(event)
        if text is not None:
            told.add(text)

    return sink


def _prompts(policy: Policy, number: int, rank: int) -> Sequence[int]:
    """The rows that one rank answers in a rollout."""
    chosen = batch_indices(len(policy.rows), policy.batch, number, policy.seed)
    return share(chosen, rank, ranks().num_processes)


def _most(policy: Policy, number: int) -> int:
    """Prompts of the first rank, which has no fewer than any other. A last batch may have fewer
    than there are minibatches: then each is learned from more than once, and no step has none."""
    return len(_prompts(policy, number, 0))


def _roll(policy: Policy, number: int) -> list[Written]:
    """Sample, reward, note, write down."""
    began = time.monotonic()
    own = _prompts(policy, number, ranks().process_index)
    baseline = Baseline() if number == 0 else last_baseline(_file(policy, number - 1))
    if not own:  # a short batch has rows for the first ranks alone
        write(_file(policy, number), [], [], combine([], policy.parts), baseline)
        return []
    rows = [_sampled(policy, part, number, at) for at, part in _parts(policy, own)]
    flat = [row for part in rows for row in part]
    texts = [[text_of(policy.vlm, branch.ids) for branch in row.answers] for row in flat]
    rewarded = _rewarded(policy, flat, texts)
    if number == 0:
        require_scores(rewarded)
    noted = [_noted(policy, part) for part in split(flat, policy.micro)]
    columns = {name: [v for part in noted for v in part[name]] for name in noted[0]}
    worth = policy.worth(_seen(flat, rewarded, columns, policy.settings.kl, baseline))
    columns |= {"advantages": worth.advantages.tolist()}
    if worth.returns is not None:
        columns["returns"] = worth.returns.tolist()
    written = by_row(flat, columns)
    write(_file(policy, number), written, texts, rewarded, worth.baseline)
    _tell(policy, number, written, rewarded, time.monotonic() - began)
    return written


def _again(policy: Policy, number: int) -> list[Written]:
    return read(_file(policy, number), {row.id: row for row in policy.rows})


def _file(policy: Policy, number: int) -> Path:
    rank = f".{ranks().process_index}" if ranks().num_processes > 1 else ""
    return policy.folder / f"{number:06d}{rank}.jsonl"


def _parts(policy: Policy, own: Sequence[int]) -> Iterator[tuple[int, list[Rendered]]]:
    for at, part in enumerate(split(own, policy.micro)):
        yield at, [policy.rows[index] for index in part]


def _sampled(policy: Policy, rows: list[Rendered], number: int, at: int) -> list[Rendered]:
    """The rows with sampled answers in the place of the teacher's."""
    vlm, settings = policy.vlm, policy.settings
    place = [policy.seed, number, ranks().process_index, at]
    draw = torch.Generator(device=vlm.model.device)
    draw.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))
    drawn = decode(
        vlm,
        rows,
        policy.collate,
        policy.dtype,
        number=settings.samples,
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        generator=draw,
    )
    return [
        sampled(row, answers)
        for row, answers in zip(rows, split(drawn, settings.samples), strict=True)
    ]


def _rewarded(policy: Policy, rows: Sequence[Rendered], texts: Sequence[Sequence[str]]) -> Rewarded:
    samples = [
        Sample(policy.groups[row.id], text, policy.pictures)
        for row, own in zip(rows, texts, strict=True)
        for text in own
    ]
    return combine(samples, policy.parts)


def compared(how: Rollout, needs: frozenset[str]) -> bool:
    """Whether the reference is asked about the samples."""
    return how.kl > 0 or "ref_token_logps" in needs


@torch.no_grad()
def _noted(policy: Policy, rows: Sequence[Rendered]) -> dict[str, list[float]]:
    """What policy, reference and critic say of every sampled token, as far as anyone asks."""
    held = compared(policy.settings, policy.needs)
    critic = "old_token_values" in policy.needs or policy.settings.advantage["name"] == "gae"
    batch = policy.read(rows)
    model, training = policy.vlm.model, policy.vlm.model.training
    # Samples that are learned from once need no note: the step itself says what they were.
    again = "old_token_logps" in policy.needs and policy.updates > 1
    own = ["token_logps"] * (held or again) + ["token_values"] * critic
    model.eval()
    try:
        noted = {f"old_{name}": each for name, each in _columns(policy, batch, own).items()}
        if held:
            with as_it_started(model, policy.start):
                noted["ref_token_logps"] = _columns(policy, batch, ["token_logps"])["token_logps"]
    finally:
        model.train(training)
    return noted


def _columns(policy: Policy, batch: GroupBatch, names: list[str]) -> dict[str, list[float]]:
    # Every forward by the same module and dtype as in training: a fresh ratio is then exactly 1.
    forward = Forward(policy.vlm.model, columns_named(names), policy.dtype)
    return {name: column.tolist() for name, column in forward(batch).items()} if names else {}


def _seen(
    rows: Sequence[Rendered],
    rewarded: Rewarded,
    columns: Mapping[str, list[float]],
    kl: float,
    baseline: Baseline,
) -> Seen:
    lengths = torch.tensor([len(branch.ids) for row in rows for branch in row.answers])
    answers = torch.tensor([len(row.answers) for row in rows])
    values = [each.value for each in rewarded.totals]
    logps = {name: torch.tensor(column) for name, column in columns.items()}
    apart = None
    if kl:
        apart = logps["old_token_logps"] - logps["ref_token_logps"]
    return Seen(
        rewards=torch.tensor([0.0 if value is None else value for value in values]),
        scored=torch.tensor([value is not None for value in values]),
        group_of=torch.repeat_interleave(torch.arange(len(rows)), answers),
        answer_of=torch.repeat_interleave(torch.arange(len(lengths)), lengths),
        token_kl=apart,
        kl_weight=kl,
        values=logps.get("old_token_values"),
        baseline=baseline,
    )


def _alike(written: Sequence[Written], rewarded: Rewarded) -> float:
    """The share of prompts whose samples are all rewarded alike: compared, they teach nothing."""
    totals = iter(rewarded.totals)
    values = [{next(totals).value for _ in each.row.answers} for each in written]
    return sum(len(own - {None}) < 2 for own in values) / len(values)


def _tell(
    policy: Policy, number: int, written: Sequence[Written], rewarded: Rewarded, seconds: float
) -> None:
    ends = ends_of(policy.vlm)
    branches = [branch for each in written for branch in each.row.answers]
    told = {
        **metrics(rewarded),
        "length": sum(len(branch.ids) for branch in branches) / len(branches),
        "ended": sum(branch.ids[-1] in ends for branch in branches) / len(branches),
    }
    if policy.settings.samples > 1:
        told["alike"] = _alike(written, rewarded)
    if written and {"old_token_logps", "ref_token_logps"} <= set(written[0].columns):
        apart = [
            sum(a) - sum(b)
            for each in written
            for a, b in zip(
                each.columns["old_token_logps"], each.columns["ref_token_logps"], strict=True
            )
        ]
        told["kl"] = sum(apart) / len(apart)
    step = number * policy.updates + 1
    for part in policy.parts:
        if part.weight and told[f"unscored/{part.name}"]:
            text = (
                f"The reward '{part.name}' cannot score every sample. One that it could not score "
                "is in no baseline and teaches nothing; rollouts/*.jsonl says of each why."
            )
            policy.emit({"kind": "warning", "step": step, "text": text})
    policy.emit({"kind": "rollout", "rollout": number, "step": step, "seconds": seconds, **told})
