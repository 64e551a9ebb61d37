"""What the stages of a recipe hold on one accelerator, before there are data to measure.

How long its rows will be, no recipe knows: a question and an answer are taken for so many tokens
(`QUESTION`, `ANSWER`), and beside that stands what rows of `max_tokens` would come to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from haiga.models import known
from haiga.models.designs import DESIGNS
from haiga.pipeline.plan import language
from haiga.pipeline.run import checkpoint
from haiga.planning.memory import (
    BFLOAT16,
    FLOAT32,
    FOUR_BITS,
    FOUR_BITS_SINGLE,
    Held,
    Layers,
    Numbers,
    Parameters,
    Pass,
    sharded,
)
from haiga.planning.parameters import Plan, StageCount
from haiga.planning.stages import Step, held, most_groups
from haiga.recipe.schema import Recipe, Stage
from haiga.training.preferences import SAME

QUESTION: Final = 40
"""Tokens of a prompt beside its picture: the founding recipes' template and instruction."""
ANSWER: Final = 64
CARDS: Final = (8, 12, 16, 24, 32, 48, 80, 141)
"""GB of usual GPUs."""
SHARE: Final = 0.9
"""Of a card, for tensors: the rest is CUDA's own, and what its allocator loses between them."""
GPUS: Final = 8
BYTES: Final = {"float32": FLOAT32, "bfloat16": BFLOAT16}


@dataclass(frozen=True, slots=True)
class Need:
    """What a stage holds."""

    name: str
    step: Step
    groups: int
    """At once."""
    answer: int
    """Tokens of an answer, as taken."""
    longest: int
    """Tokens of an answer that fills `max_tokens`; of a sample, all that it may have."""
    counted: bool
    """Whether its activations are: the layers are of a kind that is known."""

    @property
    def positions(self) -> int:
        """Of a row."""
        return self.step.rows(self.groups, self.answer).positions

    @property
    def held(self) -> Held:
        """Bytes, with answers as taken."""
        return held(self.step, self.groups, self.answer)

    @property
    def at_most(self) -> float:
        """Bytes in all, where every row is as long as it may be."""
        return held(self.step, self.groups, self.longest).total


def needs(recipe: Recipe, counted: Plan) -> list[Need]:
    """What each planned stage holds."""
    words = language(recipe.model)
    eyes = DESIGNS[recipe.model.design].half(known.config(checkpoint(recipe.model.tower)))
    body = _decoder(words) if recipe.model.design == "llava" else None
    tower = _stack(eyes, gated=False)
    return [
        _need(recipe, counted, stage, body, tower, int(words.vocab_size))
        for stage in counted.stages
    ]


def sentences(found: Sequence[Need]) -> Iterator[str]:
    """What the table rests on, the largest stage and the card that takes it, and several GPUs."""
    yield (
        f"In GB, on one GPU. A row is taken for a prompt of {QUESTION} tokens beside its picture, "
        f"and answers of {ANSWER}; a sample for all that it may have. docs/memory.md has the "
        "formulas, beside measured peaks."
    )
    if not all(need.counted for need in found):
        yield "Activations are counted for a llava whose language model has LLaMA's kind of layers."
    largest = max(
        (each for each in found if each.counted), key=lambda n: n.held.total, default=None
    )
    if largest is None:
        return
    total = largest.held.total
    yield f"The largest stage is {largest.name} with about {_gb(total)} GB: {_cards(largest)}."
    shared = [_gb(sharded(largest.held, GPUS, stage).total) for stage in (1, 2, 3)]
    yield (
        "On several GPUs each holds all of this: haiga's ranks are replicas. It has no ZeRO and no "
        f"FSDP, which on {GPUS} GPUs would leave each {shared[0]}, {shared[1]} or {shared[2]} GB "
        "(stages 1, 2, 3)."
    )


def _cards(need: Need) -> str:
    """The smallest card that takes a stage as it is, and what the next smaller ones would."""
    room = [size for size in CARDS if need.held.total <= SHARE * size * 1e9]
    said = [f"it fits a card of {room[0]} GB" if room else f"no card of {CARDS[-1]} GB takes it"]
    smaller = [size for size in CARDS if size not in room][-2:]
    for size in reversed(smaller):
        groups = most_groups(need.step, need.groups, need.answer, SHARE * size * 1e9)
        said.append(
            f"one of {size} GB with micro_batch = {groups}"
            if groups
            else f"one of {size} GB does not take it with micro_batch = 1"
        )
    return ", ".join(said)


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f}"


def _need(
    recipe: Recipe,
    counted: Plan,
    stage: StageCount,
    body: Layers | None,
    tower: Layers,
    vocabulary: int,
) -> Need:
    section = recipe.stage[stage.name]
    numbers = _numbers(recipe, section)
    picture = counted.picture_tokens if section.pictures else 0
    reached = stage.projector + stage.tower + stage.language_model or section.adapter
    step = Step(
        parameters=_parameters(counted, stage, numbers),
        numbers=numbers,
        body=_through(body, section, numbers, stage.language_model) if body and reached else None,
        tower=_through(tower, section, numbers, stage.tower - stage.tower_adapter)
        if stage.tower
        else None,
        vocabulary=vocabulary,
        picture=picture,
        question=QUESTION,
        answers=_answers(recipe, section),
        projector=stage.projector > 0,
        head=stage.language_model > 0,
        written=section.rollout is not None,
        paged=section.optimiser == "paged_adamw",
    )
    longest = max(1, section.max_tokens - picture - QUESTION)
    if section.rollout is not None:
        longest = section.rollout.max_new_tokens
    answer = longest if section.rollout is not None else min(ANSWER, longest)
    groups = section.micro_batch or section.batch
    return Need(stage.name, step, groups, answer, longest, counted=body is not None)


def _through(layers: Layers, section: Stage, numbers: Numbers, own: int) -> Pass:
    """A pass through layers of which so many parameters learn beside the adapter's."""
    learns: Literal["nothing", "adapter", "all"] = "adapter" if section.adapter else "nothing"
    return Pass(
        layers=layers,
        numbers=numbers,
        learns="all" if own else learns,
        rank=section.adapter.r if section.adapter else 0,
        checkpointing=section.checkpointing,
    )


def _parameters(counted: Plan, stage: StageCount, numbers: Numbers) -> Parameters:
    half = counted.tower if stage.quantised and not stage.tower else 0
    rest = stage.total - stage.trainable - stage.whole - stage.quantised - half
    return Parameters(stage.trainable, rest, stage.whole, half, stage.quantised)


def _numbers(recipe: Recipe, section: Stage) -> Numbers:
    how = section.adapter.quantised if section.adapter else None
    four_bits = FOUR_BITS_SINGLE if how is not None and not how.double else FOUR_BITS
    return Numbers(BYTES[recipe.model.dtype], BYTES[section.dtype], four_bits)


def _answers(recipe: Recipe, section: Stage) -> int:
    """Answers of a group: of the task that has most, limited, and those that hang beside them."""
    if section.rollout is not None:
        return section.rollout.samples
    calls = recipe.teach.calls() if recipe.teach else {}
    own = max(calls.get(task, 1) for task in section.tasks)
    if section.rejected is None:
        return min(own, section.answers or own) + section.mismatched
    pairs = (
        max(1, own // 2) if section.rejected == SAME else min(own, calls.get(section.rejected, own))
    )
    return 2 * min(pairs, section.answers or pairs) + section.mismatched


def _decoder(config: Any) -> Layers | None:
    """A language model's layers; None where they are not of LLaMA's kind."""
    plain = getattr(config, "hidden_act", None) == "silu" and not hasattr(config, "num_experts")
    return _stack(config, gated=True) if plain else None


def _stack(config: Any, *, gated: bool) -> Layers:
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    shared = getattr(config, "num_key_value_heads", None) or heads
    return Layers(
        count=config.num_hidden_layers,
        width=config.hidden_size,
        inner=config.intermediate_size,
        heads=heads,
        queries=heads * size,
        keys=shared * size,
        gated=gated,
    )
