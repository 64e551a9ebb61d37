"""Rewards that have learned: the names of what a run makes itself, and where that lies.

    "stage:rm"            the reward model that an earlier stage has trained
    "critic:rewarding"    the run's own critic of style, see [critic]
    "world:tower"         the world's own

Anything else is a folder, a file, or a name on the hub. A name stands in the recipe, in manifests
and in fingerprints; the path that it means is for training alone, since a run may be moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from haiga.errors import HaigaError, RecipeError
from haiga.pipeline.run import Run, checkpoint
from haiga.recipe.names import did_you_mean, listed
from haiga.recipe.schema import Recipe, Stage
from haiga.rewards import LEARNED
from haiga.rewards.combine import judging_itself

STAGE: Final = "stage:"
CRITIC: Final = "critic:"
REWARDING: Final = "rewarding"
EVALUATING: Final = "evaluating"
TWINS: Final = (REWARDING, EVALUATING)
JUDGES: Final = {"the check 'style'": CRITIC + EVALUATING}
"""What evaluates a run that has critics."""


class _Asked(NamedTuple):
    """A checkpoint that a reward asks."""

    at: int
    reward: str
    option: str
    name: str
    tasks: tuple[str, ...]
    """What it is asked about."""

    @property
    def path(self) -> str:
        return f"rollout.rewards.{self.at}.{self.option}"


def resolved(run: Run, name: str) -> Stage:
    """A stage of the recipe, its rewards with paths for names.

    Raises:
        RecipeError: a critic from elsewhere has read what the evaluating one has.
    """
    stage = run.recipe.stage[name]
    if stage.rollout is None:
        return stage
    rewards = [dict(each) for each in stage.rollout.rewards]
    for asked in _asked(stage):
        place = _place(run, asked.name)
        if asked.reward == "style" and not asked.name.startswith(CRITIC):
            _refuse_kin(run, Path(place), f"stage.{name}.{asked.path}")
        rewards[asked.at][asked.option] = place
        if asked.reward == "reward_model":
            rewards[asked.at].setdefault("features", str(run.features))
    rollout = stage.rollout.model_copy(update={"rewards": tuple(rewards)})
    return stage.model_copy(update={"rollout": rollout})


def needed(stage: Stage) -> dict[str, str]:
    """What of the run a stage's rewards ask: name -> its folder, "stages/rm" or "critics"."""
    found = {}
    for asked in _asked(stage):
        if asked.name.startswith(STAGE):
            found[asked.name] = f"stages/{asked.name.removeprefix(STAGE)}"
        elif asked.name.startswith(CRITIC):
            found["critics"] = "critics"
    return found


def faults(recipe: Recipe) -> Iterator[str]:
    """Names that mean nothing, or not what their reward asks, and rewards that are judges too.

    What the stages' rewards are made of must be in order by itself.
    """
    for name, stage in recipe.stage.items():
        for asked in _asked(stage):
            fault = _fault(recipe, name, asked)
            if fault:
                yield f"stage.{name}.{asked.path}: {fault}"
        if stage.rollout is not None and recipe.critic is not None:
            yield from judging_itself(
                stage.rollout.rewards, JUDGES, f"stage.{name}.rollout.rewards"
            )


def _asked(stage: Stage) -> Iterator[_Asked]:
    rewards: tuple[Mapping[str, Any], ...] = stage.rollout.rewards if stage.rollout else ()
    for at, reward in enumerate(rewards):
        option = LEARNED.get(reward["name"])
        if option is not None and isinstance(reward.get(option), str):
            own = reward.get("tasks") or stage.tasks
            tasks = (
                [reward["style"]] if reward.get("style") else [t for t in stage.tasks if t in own]
            )
            yield _Asked(at, reward["name"], option, reward[option], tuple(tasks))


def _place(run: Run, name: str) -> str:
    if name.startswith(STAGE):
        return str(run.stage(name.removeprefix(STAGE)) / "model")
    if name.startswith(CRITIC):
        return str(run.critic(name.removeprefix(CRITIC)))
    return name if Path(name).is_file() else str(checkpoint(name))


def _refuse_kin(run: Run, critic: Path, path: str) -> None:
    """A critic from elsewhere, which rewards at `path`, may be no kin of the one that evaluates."""
    if run.recipe.critic is None:
        return
    from haiga.rewards.critic import load, shared_clusters  # scikit-learn

    shared = shared_clusters(load(critic), load(run.critic(EVALUATING)))
    if shared:
        raise RecipeError(
            f"{path}: {critic} was fitted on texts of {shared} pictures that the critic which "
            f"evaluates this run has read too; reward by '{CRITIC}{REWARDING}', or by a critic of "
            "other pictures"
        )


def _fault(recipe: Recipe, stage: str, asked: _Asked) -> str | None:
    """What is wrong with the name that a reward gives."""
    match asked.reward:
        case "reward_model":
            return _model_fault(recipe, stage, asked)
        case "style":
            return _critic_fault(recipe, asked)
    if asked.name.startswith((STAGE, CRITIC)):
        return f"{asked.name} is no dual encoder; name 'world:tower', a folder or a hub model"
    return _said(partial(checkpoint, asked.name))


def _model_fault(recipe: Recipe, stage: str, asked: _Asked) -> str | None:
    from haiga.pipeline import learning  # torch, which a look at a run does not need

    earlier = list(recipe.stage)[: list(recipe.stage).index(stage)]
    models = [each for each in earlier if learning.is_reward_model(each, recipe.stage[each])]
    known = f"reward models before it: {listed(STAGE + each for each in models)}"
    own = asked.name.removeprefix(STAGE)
    if own == asked.name:
        if Path(own).is_dir():
            return None
        return f"there is no folder {own}; name a reward model's, or a stage's; {known}"
    if own not in recipe.stage:
        return f"there is no stage {own!r}{did_you_mean(own, models)}; {known}"
    if own not in earlier:
        return f"{own} is not trained before {stage}; write [stage.{own}] above it; {known}"
    if own not in models:
        what = recipe.stage[own].objective["name"]
        return f"{own} is no reward model, its objective is {what}; {known}"
    if recipe.stage[own].pictures and not recipe.stage[stage].pictures:
        return f"{own} has learned with pictures, and {stage} shows it none"
    if recipe.stage[stage].pictures and not recipe.stage[own].pictures:
        return f"{own} has learned without pictures, and {stage} shows it some"
    return _strange(own, recipe.stage[own].tasks, asked)


def _critic_fault(recipe: Recipe, asked: _Asked) -> str | None:
    own = asked.name.removeprefix(CRITIC)
    if own == asked.name:
        if Path(own).is_file():
            return None
        return f"there is no file {own}; name a critic's, or '{CRITIC}{REWARDING}'"
    if recipe.critic is None:
        return f"{asked.name} is made by the section [critic], which this recipe has not; write it"
    if own not in TWINS:
        return f"there is no critic {own!r}; the run makes {CRITIC}{REWARDING} to be asked here"
    return _strange(asked.name, recipe.critic.styles, asked)


def _strange(who: str, known: tuple[str, ...], asked: _Asked) -> str | None:
    strange = [task for task in asked.tasks if task not in known]
    if not strange:
        return None
    return (
        f"{who} has learned from {listed(known)} and is asked about {listed(strange)}; let it "
        "learn these too, or give the reward the tasks that it is for"
    )


def _said(attempt: Callable[[], object]) -> str | None:
    try:
        attempt()
    except HaigaError as error:
        return str(error)
    return None
