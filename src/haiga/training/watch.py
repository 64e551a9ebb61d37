"""What a stage writes while it is trained, as plain numbers, and the rules that stop it.

A loss does not tell that an objective is destroying a model: KTO's was 0.0001 when 34 of 200
answers could be read, and no level of a reward tells it either. So the model is looked at: the same
held-out pictures each time, and every rule compares a look with the stage's own start. A rule that
begins to speak is a warning; one that goes on speaking stops the stage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import fmean
from typing import Final, TypeAlias


@dataclass(frozen=True)
class Look:
    """What the model wrote to the held-out prompts after `step` steps, greedily.

    Shares are of its answers, from 0 to 1; None where nothing of the kind can be measured.
    Log-probabilities are of whole answers, in nats.
    """

    step: int
    answers: int
    """How many were written."""
    parsed: float
    """Share that can be read; see `text.readable`."""
    ended: float
    """Share that came to an end by itself."""
    language: float | None
    """Share in the language that was asked for."""
    variety: float | None
    """1 - the share of an answer's three-word runs that it has had before."""
    distinct: float
    """Distinct-2: different word pairs of all answers, over all."""
    words: float
    """Mean length."""
    wanted: float
    """Mean length of the desirable answers to the same prompts."""
    form: float | None = None
    """Share of poems that are surely 5-7-5."""
    named: float | None = None
    """Of the things that an answer names, the share that is in its picture."""
    desirable: float | None = None
    """Mean log-probability of the desirable answers."""
    spread: float | None = None
    """Its standard deviation over them."""
    gap: float | None = None
    """How much likelier they are than the undesirable ones."""
    kl: float | None = None
    """How much likelier its answers are than they were at the start: the distance from there, on
    a quarter of what it writes now."""
    still: int = 0
    """Steps in a row, up to here, whose gradient and loss were as good as 0."""

    @property
    def length(self) -> float:
        """Length as a share of the desirable answers'; 1 where it is longer."""
        return min(1.0, self.words / self.wanted) if self.wanted else 1.0


@dataclass(frozen=True)
class Rule:
    """When it speaks, and for how long until the stage is stopped."""

    speaks: Callable[[Look, Look], str | None]
    """(the stage's start, a later look) -> a sentence, or None."""
    stops: int | None
    """The stage stops when it has spoken at so many looks in a row; None: it only warns."""


SHARES: Final[dict[str, str]] = {
    "parsed": "of the answers can be read",
    "ended": "of the answers come to an end",
    "language": "of the answers are in the language that was asked for",
    "form": "of the poems are surely 5-7-5",
    "named": "of the things that are named are in the picture",
    "variety": "of the three-word runs are not repeated inside an answer",
    "distinct": "of all word pairs are different ones",
    "length": "of the length of the desirable answers is reached",
}
STILL_STEPS: Final = 50
ERODED: Final = 0.9
"""Of what the answers were worth at the start."""


def halved(share: str, start: Look, now: Look) -> str | None:
    """A share fell to half or less, and by more than two standard errors of so many answers."""
    before, after = getattr(start, share), getattr(now, share)
    if before is None or after is None or after > before / 2:
        return None
    if before - after <= 2 * math.sqrt(before * (1 - before) / start.answers):
        return None
    return f"{after:.0%} {SHARES[share]}, and at the start it was {before:.0%}"


def drifted(start: Look, now: Look) -> str | None:
    """The desirable answers fell away, and what is written holds."""
    return None if _eroded(start, now) else _fell(start, now)


def eroded(start: Look, now: Look) -> str | None:
    """The desirable answers fell away, and what is written has begun to suffer."""
    fell = _fell(start, now)
    if fell is None or not _eroded(start, now):
        return None
    return f"{fell}; what it writes is worth {worth(now):.2f} and was worth {worth(start):.2f}"


def _eroded(start: Look, now: Look) -> bool:
    return worth(now) <= ERODED * worth(start)


def _fell(start: Look, now: Look) -> str | None:
    """The desirable answers fell further than their spread while their lead grew.

    A preference or KTO loss goes down so, too: everything becomes unlikely, the other side more.
    """
    values = (start.desirable, start.spread, start.gap, now.desirable, now.gap)
    before, spread, gap, after, wider = (math.nan if v is None else v for v in values)
    if not (before - after > spread and wider > gap):
        return None
    return (
        f"the log-probability of the desirable answers fell from {before:.1f} to {after:.1f}, "
        f"further than their spread of {spread:.1f}, while their lead over the undesirable ones "
        f"grew from {gap:.1f} to {wider:.1f}"
    )


def stands_still(start: Look, now: Look) -> str | None:
    """Nothing moves any more: the loss has run to where it has no gradient."""
    if now.still < STILL_STEPS:
        return None
    return f"the gradient has been 0 for {now.still} steps, with a loss near 0"


RULES: Final[dict[str, Rule]] = {
    "parsed": Rule(partial(halved, "parsed"), stops=2),
    "ended": Rule(partial(halved, "ended"), stops=2),
    "language": Rule(partial(halved, "language"), stops=2),
    "form": Rule(partial(halved, "form"), stops=2),
    "named": Rule(partial(halved, "named"), stops=2),
    "variety": Rule(partial(halved, "variety"), stops=2),
    "distinct": Rule(partial(halved, "distinct"), stops=2),
    "length": Rule(partial(halved, "length"), stops=2),
    # While the writing holds it is no collapse: a healthy KTO moves far from what it was shown.
    "drifted": Rule(drifted, stops=None),
    "eroded": Rule(eroded, stops=2),
    "stands_still": Rule(stands_still, stops=1),
}
Looks: TypeAlias = Sequence[Look]
"""Of one stage, the first from before its first step."""


def worth(look: Look) -> float:
    """What the answers are worth, from 0 to 1: the share that can be read, times the mean of how
    true (form, named) and how varied (variety, distinct) they are.

    It tells looks of one stage apart, and compares nothing else.
    """
    shares = (look.form, look.named, look.variety, look.distinct)
    return look.parsed * fmean(share for share in shares if share is not None)


def warnings(looks: Looks) -> list[str]:
    """What the rules that have begun to speak at the last look say."""
    if len(looks) < 2:
        return []
    told = {name: rule.speaks(looks[0], looks[-1]) for name, rule in RULES.items()}
    silent = {name for name, rule in RULES.items() if not _spoke(rule, looks[:-1], 1)}
    return [_sentence(text) for name, text in told.items() if text and name in silent]


def reasons_to_stop(looks: Looks, may: bool = True) -> list[str]:
    """What the rules say that have spoken for as long as each of them waits; mostly nothing, and
    always nothing where they may not stop a stage."""
    said = [
        rule.speaks(looks[0], looks[-1])
        for rule in RULES.values()
        if may and rule.stops and _spoke(rule, looks, rule.stops)
    ]
    return [text for text in said if text]


def ending(done: int, kept: int, why: Sequence[str]) -> str:
    """What a person is told where a stage does not simply end with its last weights."""
    where = f"step {kept}" if kept else "step 0, the start,"
    which = f"the model of {where} is kept, whose answers were worth most"
    return f"stopped at step {done}: {'; '.join(why)}; {which}" if why else which


def is_still(loss: float, norm: float) -> bool:
    """Whether a step had nothing to teach: both read 0.000 where people read them."""
    return abs(loss) < 1e-3 and norm < 5e-4


def numbers(look: Look) -> dict[str, float]:
    """All that was measured, by name."""
    return {name: value for name, value in asdict(look).items() if value is not None}


def restored(rows: Sequence[Mapping]) -> tuple[Look, ...]:
    """Looks from JSON."""
    return tuple(Look(**row) for row in rows)


def _spoke(rule: Rule, looks: Looks, times: int) -> bool:
    """Whether a rule has spoken at each of the last `times` looks after the first."""
    later = looks[1:][-times:]
    return len(later) == times and all(rule.speaks(looks[0], look) for look in later)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
