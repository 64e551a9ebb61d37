"""The fixed sections of a recipe.

Open sets (sources, filters, teachers, objectives) are *components*: a table with a `name` and
options, bound to a function where it is used; see `bind`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from haiga.recipe.checks import faults
from haiga.recipe.curating import Curate
from haiga.recipe.evaluating import Audit, Evaluate, Report
from haiga.recipe.evaluating import BestOf as BestOf
from haiga.recipe.evaluating import Claims as Claims
from haiga.recipe.evaluating import Judge as Judge
from haiga.recipe.section import Section
from haiga.recipe.values import (
    Amount,
    Component,
    Components,
    Count,
    Hearing,
    Pattern,
    Rules,
    Seed,
    Share,
    SomeWords,
    Word,
)

DEFAULT_SEED = 42


class Teach(Section):
    """Who writes the texts, for which tasks, and how many of each."""

    teacher: Component
    teachers: dict[Word, Component] = {}
    """Task -> who writes it in the teacher's place."""
    tasks: SomeWords
    answers: Count | dict[Word, Count] = 1
    """Of each task, or task by task; 1 where a task is not named."""
    exchanges: dict[Word, Components] = {}
    """Task -> what is asked about its texts once they are there, one after another."""

    def calls(self) -> dict[str, int]:
        """Task -> how many answers are asked for."""
        if isinstance(self.answers, int):
            return dict.fromkeys(self.tasks, self.answers)
        return {task: self.answers.get(task, 1) for task in self.tasks}


class Split(Section):
    """How many pictures are kept apart; whole clusters go to one side."""

    held_out: Annotated[int, Field(ge=0)] = 200
    validation: Annotated[int, Field(ge=0)] = 64
    seed: Seed | None = None
    """The recipe's seed where none is given."""


class Critic(Section):
    """Two critics of style, made of texts on different pictures: one rewards, one evaluates."""

    styles: SomeWords
    """Tasks: their texts in the training split, in the recipe's language, are the examples."""
    rewarding: Hearing = ("words", "characters")
    """The n-grams that the one hears."""
    evaluating: Hearing = ("words", "characters")
    """Those that the other hears: if they differ, what pleases one ear alone is noticed."""


class Model(Section):
    """The two checkpoints that are joined, and how; image_token: a picture's place in a llava."""

    design: Word = "llava"
    tower: str
    language_model: str
    image_token: Annotated[str, Field(min_length=1)] | None = None
    fit: Literal["pad", "crop", "squash"] = "pad"
    projector_seed: Seed = 0
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What weights are kept in. In bfloat16 they take half the room, on disk and on a GPU; the
    projector, adapters and whatever else a stage trains are in float32 all the same."""


class Quantised(Section):
    """The frozen weights under an adapter in four bits (QLoRA, Dettmers et al. 2023), for a GPU.

    They are the linear layers of the language model. The tower is kept in bfloat16, projector and
    adapter in float32. What the stage leaves behind stands on the weights before they were cut.
    """

    type: Literal["nf4"] = "nf4"
    """NormalFloat: sixteen values that are equally likely among normally distributed weights."""
    double: bool = True
    """Whether the scales, one for every 64 weights, are themselves kept in eight bits."""
    compute_dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """What products are made in; the stage's `dtype` holds for all else."""


class Adapter(Section):
    """LoRA (Hu et al. 2021): rank, scale and the modules it hangs on."""

    r: Count
    alpha: Annotated[float, Field(gt=0)]
    dropout: Share = 0.0
    targets: Pattern | None = None
    """A pattern of module names; None leaves the choice to the family."""
    quantised: Quantised | None = None
    """What lies under it, in four bits; None leaves it as it is."""


class Augment(Section):
    """Changes of a training picture that leave its caption true."""

    crop: Share = 0.0
    """At most this share of the picture's area is cut away."""
    flip: bool = False
    distort: Annotated[float, Field(ge=1, le=2)] = 1.0
    """The greatest factor by which a side is stretched; every log says so."""


class Rollout(Section):
    """How a policy answers its prompts, and what it is rewarded for."""

    rewards: Components
    """What an answer is worth, each with a `weight` beside its own options."""
    advantage: Component = {"name": "leave_one_out"}
    """How rewards become advantages."""
    samples: Count = 8
    """Answers to each prompt; the batch counts prompts."""
    max_new_tokens: Count = 64
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """What logits are divided by, in drawing samples and in learning from them."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Below 1, what is least likely is never drawn, which learning does not know of."""
    kl: Amount = 0.0
    """Weight of the distance from the reference that is taken off the reward (k1). A term of the
    loss is the objective `kl` in a mixture."""
    epochs: Count = 1
    """How often a rollout is learned from."""
    minibatches: Count = 1
    """Optimiser steps into which each of these times is cut."""


class Watch(Section):
    """How a stage is watched: what it writes to held-out prompts, looked at again and again."""

    every: Count | None = None
    """Steps from look to look; None: so many that all looks take a twentieth of the stage's time as
    `training.cadence` counts it, but two after the start, and at most twelve."""
    pictures: Count | None = None
    """Held-out prompts that are answered; None: 32, or 16 where `every` is left out as well and
    three looks at 32 would take more than a twentieth of the stage's time."""
    stop: bool = True
    """Whether a rule that keeps speaking ends the stage; else it only warns."""
    keep: Literal["last", "best"] = "last"
    """Which weights a stage that ran to its end keeps. One that was stopped keeps the best."""


class Stage(Section):
    """One training: which part, from where, on which groups, towards what."""

    part: Literal["vlm", "tower", "language"] = "vlm"
    starts_from: Word | None = None
    """An earlier stage; None is the assembled base."""
    tasks: SomeWords
    pictures: bool | Literal["shuffled"] = True
    """False: the same groups without their pictures. Such a stage is a control, which tells what
    the texts alone teach; it is evaluated blind and no stage should start from it. "shuffled": with
    another group's pictures, which teaches a model not to look; the conditions must catch it."""
    objective: Component
    rejected: Word | None = None
    """Where rejected answers come from: another task's answers to the same picture, "given" (the
    source's own rejected ones), "mismatched" (another picture's) or "same" (the later half of the
    task's own)."""
    mismatched: bool = False
    """Whether another picture's answer hangs beside each group's own, for KTO's KL point; never one
    that is rejected there."""
    rollout: Rollout | None = None
    """For objectives that learn from the policy's own answers."""
    watch: Watch | bool | None = None
    """None: a VLM that learns to write, and not by plain cross-entropy, is watched."""
    adapter: Adapter | None = None
    trainable: Rules
    """Pairs of a pattern of parameter names and a learning rate or "frozen"; the first that
    matches a parameter holds."""
    epochs: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    steps: Count | None = None
    batch: Count
    """Groups per optimiser step."""
    micro_batch: Count | None = None
    """Groups per forward pass; None puts the whole batch through at once."""
    warmup: Annotated[float, Field(ge=0, le=0.2)] = 0.05
    """Share of the steps over which the rate rises; 5 to 10 % is usual."""
    min_lr: Amount = 1e-6
    weight_decay: Amount = 0.0
    beta2: Share = 0.999
    """AdamW's memory of squared gradients; 0.95 is usual where a model starts from nothing."""
    clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of the gradient."""
    optimiser: Literal["adamw", "paged_adamw"] = "adamw"
    """Paged: its moments may leave a full GPU for the machine's memory (QLoRA's, 32 bits)."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    checkpointing: bool = False
    augment: Augment | None = None
    max_tokens: Count = 1024
    overflow: Literal["drop", "stop"] = "drop"
    """What happens to a row of more than `max_tokens`: dropped and counted, or the run stops."""
    validate_every: Count | None = None
    sample_every: Count | None = None
    save_every: Count | None = None
    answers: Count | None = None
    """How many answers of each group are used, of each kind (chosen, rejected); None uses all."""


class Recipe(Section):
    """From pictures to a report. `model_dump(mode="json")` of it can be fingerprinted."""

    name: Word
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
    """ISO 639: "en", "ja", …"""
    seed: Seed = DEFAULT_SEED
    source: Component | None = None
    engine: Component = {"name": "local"}
    """What measures the pictures; the result is the same on any."""
    curate: Curate = Curate()
    teach: Teach | None = None
    prices: dict[str, Annotated[tuple[Amount, Amount], Field(strict=False)]] = {}
    """Model -> dollars per million tokens in and out, before the prices that haiga knows."""
    hour: Amount | None = None
    """Dollars for an hour of the machine that trains and evaluates; its hours join the ledger."""
    audit: Audit = Audit()
    split: Split = Split()
    critic: Critic | None = None
    model: Model
    stage: dict[Word, Stage] = {}
    """In the order in which they are written."""
    evaluate: Evaluate = Evaluate()
    report: Report = Report()

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, data: Any) -> Any:
        """Give the split the recipe's seed where it has none."""
        if not isinstance(data, Mapping):
            return data
        seed, split = data.get("seed", DEFAULT_SEED), data.get("split", {})
        if isinstance(split, Split):
            split = split.model_dump()
        if isinstance(split, Mapping) and split.get("seed") is None and type(seed) is int:
            return {**data, "split": {**split, "seed": seed}}
        return data

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        found = faults(self.model_dump(mode="json"))
        if found:
            raise PydanticCustomError("recipe", "{lines}", {"lines": "\n".join(found)})
        return self
