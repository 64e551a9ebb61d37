"""The check of style, by a critic that no training was rewarded by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from haiga.evaluation.checks import Check, Part, Parts, readable
from haiga.evaluation.conditions import Item

STYLE: Final = "style"
SENTENCE: Final = (
    "how probably an answer is in the style that was asked for, as a critic hears it that no "
    "training was rewarded by"
)


def style_check(critic: Path) -> Check:
    """The check by the critic in a file: the mean probability of the style of an item's task.

    It applies to items whose task (or the style in their truth) is one of the critic's. An answer
    that cannot be read has no style.

    Raises:
        ModelError: the file is no critic's.
    """
    from haiga.rewards.critic import load, probabilities  # scikit-learn, which others do not need

    heard = load(critic)

    def score(items: Sequence[Item], answers: Sequence[str]) -> Parts:
        shares = probabilities(heard, answers)
        parts: Parts = []
        for item, answer, row in zip(items, answers, shares, strict=True):
            asked = str(item.truth.get("style") or item.task)
            if not asked or asked not in heard.styles:
                parts.append(None)
            else:
                heard_as = float(row[heard.styles.index(asked)])
                parts.append(Part(heard_as if readable(item, answer) else 0.0))
        return parts

    return Check(score, SENTENCE)
