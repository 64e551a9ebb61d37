"""Rewards for what a model samples: the table. `combine` adds them up by weight.

Whoever holds another scorer makes a `combine.Part` of it; the table is only what a recipe can name.
"""

from collections.abc import Callable

from haiga.rewards.base import Reward, Sample, Scored
from haiga.rewards.clip import clip
from haiga.rewards.model import reward_model
from haiga.rewards.style import style
from haiga.rewards.texts import diversity, form, language, length, variety
from haiga.rewards.truth import true_to_picture

REWARDS: dict[str, Callable[..., list[Scored]]] = {
    "form": form,
    "length": length,
    "language": language,
    "variety": variety,
    "diversity": diversity,
    "true_to_picture": true_to_picture,
    "style": style,
    "clip": clip,
    "reward_model": reward_model,
}

LEARNED: dict[str, str] = {"style": "critic", "clip": "model", "reward_model": "model"}
"""The rewards that have learned, and the option that says from which checkpoint. Evaluation must
not ask the same one: `combine.judging_itself`."""

__all__ = ["LEARNED", "REWARDS", "Reward", "Sample", "Scored"]
