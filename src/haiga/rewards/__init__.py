"""Rewards for what a model samples: the table. `combine` adds them up by weight.

Whoever holds another scorer makes a `combine.Part` of it; the table is only what a recipe can name.
"""

from collections.abc import Callable

from haiga.rewards import clip as _clip
from haiga.rewards import model as _model
from haiga.rewards import style as _style
from haiga.rewards.base import Reward, Sample, Scored
from haiga.rewards.texts import diversity, form, language, length, variety
from haiga.rewards.truth import true_to_picture

REWARDS: dict[str, Callable[..., list[Scored]]] = {
    "form": form,
    "length": length,
    "language": language,
    "variety": variety,
    "diversity": diversity,
    "true_to_picture": true_to_picture,
    "style": _style.style,
    "clip": _clip.clip,
    "reward_model": _model.reward_model,
}

LEARNED: dict[str, str] = {"style": "critic", "clip": "model", "reward_model": "model"}
"""The rewards that have learned, and the option that says from which checkpoint. Evaluation must
not ask the same one: `combine.judging_itself`."""


def forget() -> None:
    """Let go of the checkpoints that rewards have opened, and of what these have seen."""
    for opened in (_clip.opened, _model.opened, _style.opened):
        opened.cache_clear()


__all__ = ["LEARNED", "REWARDS", "Reward", "Sample", "Scored", "forget"]
