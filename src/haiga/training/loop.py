"""The one training loop: columns, sums, guards, then the optimiser, then an event.

It knows no recipe, no data format and no evaluation. It is told plain values (`Settings`) and
handed callables (`Hooks`), and `batches(step)` is a pure function of the step, so that going on
after a crash is the same as never having stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, gather_object
from torch import nn

from haiga import events
from haiga.errors import TrainingError
from haiga.models.device import ranks
from haiga.models.trainable import count
from haiga.objectives import Objective
from haiga.training import checkpoint, guards, watch
from haiga.training.forward import Forward, columns_for, to_device
from haiga.training.gradients import Sums, accumulate, add_over_ranks, over_ranks, scale
from haiga.training.optimiser import adamw, follow_schedule
from haiga.training.settings import DTYPES, Hooks, Settings
from haiga.training.validation import History, evaluate

CADENCES = ("validate_every", "sample_every", "checkpoint_every")
"""Settings that may change when a run goes on: they move no weight."""
REPLICATED = (DistributedType.NO, DistributedType.MULTI_GPU, DistributedType.MULTI_CPU)


@dataclass(frozen=True)
class _Run:
    """What stays the same from the first step to the last."""

    accelerator: Accelerator
    model: nn.Module
    forward: Forward
    optimiser: torch.optim.Optimizer
    objective: Objective
    settings: Settings
    hooks: Hooks
    folder: Path | None
    identity: Mapping[str, Any]

    def emit(self, **event: Any) -> None:
        """One event, from one rank."""
        if self.accelerator.is_main_process:
            self.hooks.emit(event)


def fit(
    model: nn.Module,
    groups: Sequence[Mapping[str, Any]],
    objective: Objective,
    batches: Callable[[int], Sequence[Any]],
    settings: Settings,
    *,
    folder: Path | None = None,
    hooks: Hooks = Hooks(),  # noqa: B008 (frozen)
) -> str | None:
    """Trains `model` in place for `settings.steps` steps, or until a rule of `watch` stops it.

    Args:
        model: its frozen parameters already do not require gradients.
        groups: `{"params", "lr", "names"}` from `models.trainable`.
        objective: with its options bound; its positional parameters name the columns.
        batches: step -> this rank's micro-batches of that step; pure. Each is a dataclass with
            `ids`, the names of its rows, and `input_ids`. The first rank always has one.
        settings: plain values.
        folder: where the resume state lies, and `events.jsonl` where there is one; None keeps none.
        hooks: what else to call.

    Returns: which weights the model ends with, and why, where they are not simply the last.

    Raises:
        GuardError: before the weights move, with the step and the rows.
        TrainingError: when the state in `folder` is of another run.
    """
    run = _prepare(model, groups, objective, settings, (folder, hooks))
    first, history = _resume(run)
    frozen = guards.digests(model, trained=False)
    guards.ranks_begin_alike(gather_object([guards.digests(model, trained=True)]))
    if first < settings.steps:  # else a policy would write once more, and over what it learned from
        _started(run, first, batches(first))
    history = history if first else _watched(run, 0, history)
    done, began = first, time.perf_counter()
    while done < settings.steps and not watch.reasons_to_stop(history.looks, settings.watch_stops):
        step, done, start = done, done + 1, time.perf_counter()
        micro = batches(step)
        if step == 0 and hooks.first and micro:
            hooks.first(model, to_device(micro[0], run.accelerator.device))
        moved = _step(run, step, micro)
        history = history.stepped(moved.sums, moved.norm)
        now = time.perf_counter()
        _stepped(run, step, moved, now - start, (now - began) / (done - first))
        history = _after(run, done, history, frozen)
    guards.frozen_stays_frozen(model, frozen)
    said = _kept(run, done, history)
    run.emit(kind="finished", step=done, seconds=time.perf_counter() - began)
    return said


def _prepare(
    model: nn.Module,
    groups: Sequence[Mapping[str, Any]],
    objective: Objective,
    settings: Settings,
    handed: tuple[Path | None, Hooks],
) -> _Run:
    folder, hooks = handed
    guards.something_learns(model)
    guards.groups_are_trained(model, groups)
    guards.full_precision(model)
    ranks()  # before accelerate looks for itself
    accelerator = Accelerator()
    if accelerator.distributed_type not in REPLICATED:
        raise TrainingError(
            f"The loop trains whole models, the same on every rank, and this is "
            f"{accelerator.distributed_type}: choose plain multi-GPU in accelerate's configuration."
        )
    if settings.gradient_checkpointing:
        _checkpoint_activations(model)
    columns = columns_for(objective.function)
    model.to(accelerator.device).train()
    return _Run(
        accelerator=accelerator,
        model=model,
        forward=Forward(model, columns, DTYPES[settings.dtype]),
        optimiser=adamw(groups, settings),
        objective=objective,
        settings=settings,
        hooks=hooks,
        folder=folder,
        identity={k: v for k, v in asdict(settings).items() if k not in CADENCES}
        | {"learning_rates": [group["lr"] for group in groups]},
    )


def _checkpoint_activations(model: Any) -> None:
    if not getattr(model, "supports_gradient_checkpointing", False):
        raise TrainingError(
            f"{type(model).__name__} does not support gradient checkpointing: "
            "set gradient_checkpointing = false."
        )
    # The reentrant kind gives no gradients at all where the inputs require none: frozen embeddings.
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def _resume(run: _Run) -> tuple[int, History]:
    """How many steps are done, and what was seen in them."""
    done, history = 0, History()
    if run.folder is None:
        return done, history
    place = checkpoint.latest(run.folder / "resume")
    if place is not None:
        done, seen = checkpoint.load(place, run.model, run.optimiser, run.identity)
        history = History.restored(seen)
    if run.accelerator.is_main_process:
        if not done:
            (run.folder / "resume" / checkpoint.BEST).unlink(missing_ok=True)
        events.truncate(run.folder / "events.jsonl", lambda event: _stands(event, done))
    run.accelerator.wait_for_everyone()
    return done, history


def _stands(event: events.Event, done: int) -> bool:
    """Whether what was said before a crash is not said again by a run that goes on."""
    again = ("finished", "stopped", "kept", *(() if done else ("look", "sample")))
    return event.get("step", 0) <= done and event["kind"] not in again


class _Moved(NamedTuple):
    """What one step was."""

    rate: float
    sums: Sums
    norm: float


def _step(run: _Run, step: int, micro: Sequence[Any]) -> _Moved:
    """One step; nothing moves unless loss and gradient are finite."""
    settings, accelerator = run.settings, run.accelerator
    run.optimiser.zero_grad(set_to_none=True)
    own = accumulate(accelerator, run.forward, run.objective, micro, settings.seed, step)
    sums = over_ranks(own)
    ids = [row for batch in micro for row in batch.ids]
    if not sums.count:
        raise TrainingError(f"No token of step {step} bears loss; its rows are {', '.join(ids)}.")
    if step == 0:
        guards.start(sums.loss, sums.means(), run.objective, settings.start_tolerance)
    learnt = [p for group in run.optimiser.param_groups for p in group["params"]]
    add_over_ranks(learnt)
    scale(learnt, 1 / sums.count)
    limit = settings.max_grad_norm if settings.max_grad_norm is not None else float("inf")
    norm = float(nn.utils.clip_grad_norm_(learnt, limit))
    guards.finite("gradient's norm", norm, step, ids)
    rate = follow_schedule(run.optimiser, step, settings)
    run.optimiser.step()
    return _Moved(rate, sums, norm)


def _stepped(run: _Run, step: int, moved: _Moved, seconds: float, pace: float) -> None:
    """The event of a step. `seconds` it took itself, `pace` a step takes with all that is due."""
    run.emit(
        kind="step",
        step=step + 1,
        loss=moved.sums.loss,
        lr=moved.rate,
        grad_norm=moved.norm,
        seconds=seconds,
        tokens_per_second=moved.sums.positions / seconds,
        eta_seconds=pace * (run.settings.steps - step - 1),
        **moved.sums.means(),
    )


def _after(run: _Run, done: int, history: History, frozen: Mapping[str, str]) -> History:
    """Validation, look, samples and checkpoint, where they are due after `done` steps."""
    settings, hooks = run.settings, run.hooks
    if hooks.validation and _due(done, settings.validate_every, settings.steps):
        sums = evaluate(run.forward, run.objective, hooks.validation(), done)
        history = history.validated(sums)
        seen = {"loss": sums.loss, "train_loss": history.train[-1], **sums.means()}
        run.emit(kind="validation", step=done, **seen)
        for sentence in history.warnings():
            run.emit(kind="warning", step=done, text=sentence)
    history = _watched(run, done, history)
    first = run.accelerator.is_main_process
    if hooks.sample and first and _due(done, settings.sample_every, settings.steps):
        run.model.eval()
        for sample in hooks.sample(run.model, done):
            run.emit(kind="sample", step=done, **sample)
        run.model.train()
    if run.folder and _due(done, settings.checkpoint_every, settings.steps):
        guards.frozen_stays_frozen(run.model, frozen)
        if first:
            state = (run.model, run.optimiser, run.identity, asdict(history))
            checkpoint.save(run.folder / "resume", done, *state)
        run.accelerator.wait_for_everyone()
    return history


def _watched(run: _Run, done: int, history: History) -> History:
    """After a look at what the model writes, where it is due."""
    if run.hooks.watch is None or not _due(done, run.settings.watch_every, run.settings.steps):
        return history
    began, first = time.perf_counter(), run.accelerator.is_main_process
    # All ranks go by what the first has seen, so that they stop together.
    look = gather_object([run.hooks.watch(run.model, done) if first else None])[0]
    history = history.seen(look)
    numbers = watch.numbers(history.looks[-1])
    run.emit(kind="look", **numbers, seconds=time.perf_counter() - began)
    for sentence in watch.warnings(history.looks):
        run.emit(kind="warning", step=done, text=sentence)
    if run.folder and first:
        checkpoint.keep_best(run.folder / "resume", done, watch.worth(look), run.model)
    return history


def _kept(run: _Run, done: int, history: History) -> str | None:
    """The best weights are put back where the stage was stopped, or where it asks for them."""
    why = watch.reasons_to_stop(history.looks, run.settings.watch_stops)
    if not history.looks or not (why or run.settings.keep == "best"):
        return None
    kept = done
    if run.folder:
        run.accelerator.wait_for_everyone()
        kept = checkpoint.put_back(run.folder / "resume", run.model)
    text = watch.ending(done, kept, why)
    run.emit(kind="stopped" if why else "kept", step=done, kept=kept, text=text)
    return text


def _due(done: int, every: int, steps: int) -> bool:
    return every > 0 and (done % every == 0 or done == steps)


def _started(run: _Run, done: int, micro: Sequence[Any]) -> None:
    trainable, total = count(run.model)
    rows = sum(gather_object([len(batch.ids) for batch in micro]))
    run.emit(
        kind="started",
        resumed_from=done,
        settings=asdict(run.settings),
        effective_batch=rows,
        micro_batches=len(micro),
        ranks=run.accelerator.num_processes,
        device=str(run.accelerator.device),
        dtype=run.settings.dtype,
        trainable=trainable,
        total=total,
        learning_rates=run.identity["learning_rates"],
    )
