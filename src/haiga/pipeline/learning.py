"""What an objective needs of its stage: rejected answers, references, rollouts with rewards."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial
from typing import Final

from haiga.errors import HaigaError
from haiga.objectives import needs
from haiga.objectives.bind import bind_objective
from haiga.recipe.bind import bind
from haiga.recipe.schema import Recipe, Rollout, Stage
from haiga.rewards.combine import parts
from haiga.training.advantage import ADVANTAGES
from haiga.training.forward import wanted

SAMPLED: Final = {
    "advantages", "old_token_logps", "old_token_values", "ref_token_logps", "returns",
}  # fmt: skip
"""Columns that a rollout notes."""
COMPARED: Final = {"leave_one_out", "group_relative"}
SCORED: Final = {"answer_rewards", "token_values"}


def columns(name: str, stage: Stage) -> frozenset[str]:
    """All columns that the stage's objective is computed from."""
    objective = bind_objective(stage.objective, f"stage.{name}.objective")
    return wanted(needs(objective.function))


def is_reward_model(name: str, stage: Stage) -> bool:
    """Whether what the stage trains gives scores and no answers."""
    return "answer_rewards" in columns(name, stage)


def answering(recipe: Recipe) -> list[str]:
    """The stages whose models answer, in order: no towers, and no reward models."""
    return [
        name
        for name, stage in recipe.stage.items()
        if stage.part != "tower" and not is_reward_model(name, stage)
    ]


def last_tasks(recipe: Recipe) -> tuple[str, ...]:
    """What was learned last, by a stage that answers if there is one."""
    last = (answering(recipe) or list(recipe.stage))[-1:]
    return tuple(task for name in last for task in recipe.stage[name].tasks)


def faults(name: str, stage: Stage) -> Iterator[str]:
    """What the stage's section lacks, or has too much of, for its objective."""
    used, path = columns(name, stage), f"stage.{name}"
    what = stage.objective["name"]
    if "pairs" in used and stage.rejected is None:
        yield (
            f"{path}.rejected: {what} compares chosen answers with rejected ones; say where these "
            'come from: another task, "given", "mismatched" or "same"'
        )
    if not used & {"pairs", "answer_labels"} and (stage.rejected or stage.mismatched):
        field = "rejected" if stage.rejected else "mismatched"
        yield f"{path}.{field}: {what} has no use for such answers, and would learn to write them"
    if "answer_labels" in used and not stage.mismatched and _needs_mismatched(name, stage):
        yield (
            f"{path}.mismatched: kto takes its reference point from mismatched answers; set it to "
            'true, or reference_point = "batch"'
        )
    if "ref_answer_logps" in used and stage.augment is not None:
        yield (
            f"{path}.augment: the reference has seen each picture once, as it is; leave it out, or "
            "choose an objective without a reference"
        )
    if stage.rollout is not None and stage.augment is not None:
        yield f"{path}.augment: a policy answers pictures as they are; leave it out"
    for field in ("watch", "sample_every"):
        if getattr(stage, field) and "token_logps" not in used:
            yield f"{path}.{field}: {what} does not change what the model writes; leave it out"
    yield from _rollout_faults(path, what, stage, used)


def _rollout_faults(path: str, what: str, stage: Stage, used: frozenset[str]) -> Iterator[str]:
    if bool(used & SAMPLED) != (stage.rollout is not None):
        yield (
            f"{path}.rollout: {what} does not learn from samples; leave it out"
            if stage.rollout
            else f"{path}.rollout: {what} learns from the model's own answers; say in "
            f"[{path}.rollout] what they are rewarded for"
        )
    elif stage.rollout is not None and stage.part != "vlm":
        yield f"{path}.part: only the part 'vlm' rolls out, and this is {stage.part!r}"
    elif stage.rollout is not None:
        if stage.rollout.minibatches > stage.batch:
            yield (
                f"{path}.rollout.minibatches: {stage.rollout.minibatches} steps cannot share the "
                f"{stage.batch} prompts of a batch; take {stage.batch} or fewer"
            )
        yield from _stale_faults(f"{path}.rollout", what, stage.rollout, used)
        yield from _reward_faults(path, stage.rollout, used)


def _stale_faults(path: str, what: str, how: Rollout, used: frozenset[str]) -> Iterator[str]:
    """Samples that a later step learns from need a ratio to the policy that drew them."""
    for field, count in (("epochs", how.epochs), ("minibatches", how.minibatches)):
        if count > 1 and "old_token_logps" not in used:
            yield (
                f"{path}.{field}: {what} takes every sample for the present policy's own, and "
                "after the first step it is not; leave it out, or take rloo, ppo or grpo"
            )


def _reward_faults(path: str, how: Rollout, used: frozenset[str]) -> Iterator[str]:
    path = f"{path}.rollout"
    for attempt in (
        partial(parts, [dict(each) for each in how.rewards], f"{path}.rewards"),
        partial(bind, ADVANTAGES, how.advantage, f"{path}.advantage"),
    ):
        try:
            attempt()
        except HaigaError as error:
            yield str(error)
    if not how.rewards:
        yield f"{path}.rewards: nothing is rewarded; name at least one reward"
    advantage = how.advantage.get("name")
    if advantage in COMPARED and how.samples == 1:
        yield (
            f"{path}.samples: {advantage} compares the samples of a prompt, and there is one; "
            "take two or more, or advantage moving_baseline"
        )
    if (advantage == "gae") != ("token_values" in used):
        yield (
            f"{path}.advantage: gae needs a critic that learns, and a critic needs gae: mix the "
            "objective with 'value' and choose gae, or do neither"
        )


def _needs_mismatched(name: str, stage: Stage) -> bool:
    bound = bind_objective(stage.objective, f"stage.{name}.objective").function
    option = inspect.signature(bound).parameters.get("reference_point")
    return option is not None and option.default == "mismatched"
