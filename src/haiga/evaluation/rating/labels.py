"""What people say of the same pairs, blind, and how far the judge agrees with them.

evaluation/labels/<who>.jsonl    one line for each answer, as it was given; the last one holds
evaluation/labels/pairs.jsonl    the pairs with a winner, in the form of RLAIF-V, to learn from
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from haiga import events
from haiga.evaluation.rating.asking import Judgements
from haiga.evaluation.rating.duels import WORTH, Duel, Duels, outcome
from haiga.evaluation.rating.rubric import Bench, asked_of, is_answer, plain
from haiga.records import Score
from haiga.statistics.agreement import agreement, krippendorff_alpha, weighted_kappa
from haiga.statistics.intervals import bootstrap_mean, exact
from haiga.store.files import fingerprint

ENOUGH: Final = 50
"""Pairs that people must have labelled before a judge is called measured."""
Side: TypeAlias = Literal["left", "right", "equal"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one picture, ours and theirs, and which of them stands on the left."""

    key: str
    duel: Duel
    stage: str
    against: str
    turned: bool
    """Theirs stands on the left."""

    @property
    def texts(self) -> tuple[str, str]:
        """Left and right, as the judge reads them."""
        ours, theirs = plain(self.duel.ours), plain(self.duel.theirs)
        return (theirs, ours) if self.turned else (ours, theirs)


def draw(duels: Mapping[tuple[str, str], Duels], count: int | None, seed: int) -> list[Pair]:
    """At most `count` pairs (None: all) that have something to choose between.

    Their order and their sides are the seed's; no picture comes again before all have come once.
    """
    rng = np.random.default_rng([seed, 0x1ABE1])
    found: dict[str, Pair] = {}
    for (stage, against), each in duels.items():
        for duel in each.duels:
            if all(is_answer(duel.item, text) for text in duel[1:]):
                key = fingerprint([duel.item.id, plain(duel.ours), plain(duel.theirs)])
                if plain(duel.ours) != plain(duel.theirs):
                    found.setdefault(key, Pair(key, duel, stage, against, bool(rng.integers(2))))
    shuffled = [list(found.values())[at] for at in rng.permutation(len(found))]
    seen: dict[str, int] = {}
    turn = {}
    for pair in shuffled:
        turn[pair.key] = seen[pair.duel.item.id] = seen.get(pair.duel.item.id, -1) + 1
    return sorted(shuffled, key=lambda pair: turn[pair.key])[:count]


class Sheet:
    """One person's pairs and answers; every answer is on the disk before the next is asked."""

    def __init__(self, pairs: Sequence[Pair], path: Path, who: str) -> None:
        self.pairs, self._who = list(pairs), who
        self._write = events.to_jsonl(path)
        own = {pair.key for pair in pairs}
        self._said = {row["pair"]: row["better"] for row in events.read(path) if row["pair"] in own}

    @property
    def labelled(self) -> int:
        return len(self._said)

    @property
    def first_open(self) -> int:
        """The place of the first pair without an answer; past the end where there is none."""
        places = range(len(self.pairs))
        return next((at for at in places if self.pairs[at].key not in self._said), len(places))

    def save(self, at: int, side: Side, seconds: float) -> None:
        """Keep an answer to the pair at a place; an earlier one no longer holds."""
        pair = self.pairs[at]
        better = "equal"
        if side != "equal":
            better = "theirs" if (side == "left") == pair.turned else "ours"
        row = {
            "pair": pair.key,
            "better": better,
            "side": side,
            "who": self._who,
            "item": pair.duel.item.id,
            "stage": pair.stage,
            "against": pair.against,
            "seconds": round(seconds, 1),
        }
        self._write(row)
        self._said[pair.key] = better


def read(folder: Path) -> dict[str, dict[str, float]]:
    """who -> pair -> 1 where ours is better, 0 where neither, -1 where theirs."""
    worth = {"ours": 1.0, "equal": 0.0, "theirs": -1.0}
    return {
        path.stem: {row["pair"]: worth[row["better"]] for row in events.read(path)}
        for path in sorted(folder.glob("*.jsonl"))
        if path.name != "pairs.jsonl"
    }


def consensus(said: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """pair -> what most people said of it; 0 where they balance."""
    keys = dict.fromkeys(key for own in said.values() for key in own)
    votes = {key: [own[key] for own in said.values() if key in own] for key in keys}
    return {key: float(np.sign(sum(each))) for key, each in votes.items()}


def measured(
    said: Mapping[str, Mapping[str, float]],
    pairs: Sequence[Pair],
    bench: Bench,
    found: Judgements,
    seed: int,
) -> dict[str, Any]:
    """How far judge and people agree about `pairs`, and people among themselves.

    A pair on which the judge failed is one on which they do not agree; it has no place in kappa and
    alpha. These are None where everybody said the same of every pair.

    Returns:
        "labelled": pairs that somebody labelled; "people"; "same": the share on which the judge
        says what most people say (Clopper-Pearson); "kappa" (quadratic weights, Cohen 1968) and
        "alpha" (ordinal, Krippendorff 2011) of judge and people; "ceiling": alpha among people,
        where two or more labelled the same pairs; "wins": stage and opponent -> the people's win
        rate.
    """
    agreed = consensus(said)
    known = [pair for pair in pairs if pair.key in agreed]
    people = [agreed[pair.key] for pair in known]
    ended = [outcome(bench, pair.duel, found) for pair in known]
    judge = [float("nan") if end == "missing" else 2 * WORTH[end] - 1 for end in ended]
    raters = [[own.get(pair.key, float("nan")) for pair in known] for own in said.values()]
    same = sum(one == other for one, other in zip(judge, people, strict=True))
    return {
        "labelled": len(known),
        "people": len(said),
        "same": asdict(exact(same, len(known))) if known else None,
        "kappa": _agreement(_kappa, [judge, people], seed),
        "alpha": _agreement(krippendorff_alpha, [judge, people], seed),
        "ceiling": _agreement(krippendorff_alpha, raters, seed) if len(raters) > 1 else None,
        "wins": _wins(known, people, seed),
    }


def preferences(pairs: Sequence[Pair], agreed: Mapping[str, float]) -> list[dict[str, Any]]:
    """The pairs with a winner as rows of RLAIF-V's form; `image` is "pictures/<id>"."""
    rows = []
    for pair in pairs:
        if agreed.get(pair.key):
            better, worse = pair.duel.ours, pair.duel.theirs
            if agreed[pair.key] < 0:
                better, worse = worse, better
            rows.append(
                {
                    "question": asked_of(pair.duel.item),
                    "chosen": better,
                    "rejected": worse,
                    "image": f"pictures/{pair.duel.item.pictures[0].id}",
                    "labelled_by": "people",
                }
            )
    return rows


def _kappa(table: np.ndarray) -> float:
    there = table[:, ~np.isnan(table).any(axis=0)]
    return weighted_kappa(*there)


def _agreement(
    measure: Callable[..., float], ratings: Sequence[Sequence[float]], seed: int
) -> dict[str, float] | None:
    try:
        score: Score = agreement(measure, ratings, seed=seed)
    except ValueError:
        return None
    return asdict(score)


def _wins(pairs: Sequence[Pair], said: Sequence[float], seed: int) -> dict[str, dict[str, float]]:
    by_row: dict[str, list[tuple[str, float]]] = {}
    for pair, vote in zip(pairs, said, strict=True):
        row = by_row.setdefault(f"{pair.stage} against {pair.against}", [])
        row.append((pair.duel.item.cluster or pair.duel.item.id, (vote + 1) / 2))
    found = {}
    for name, votes in by_row.items():
        clusters, values = zip(*votes, strict=True)
        score = bootstrap_mean(values, clusters, seed=seed)
        low, high = max(0.0, score.low), min(1.0, score.high)
        found[name] = {"mean": score.mean, "low": low, "high": high, "n": score.n}
    return found
