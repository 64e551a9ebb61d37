"""What pairs are made of, before anything is trained on them: where their two sides differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

from haiga.evaluation.checks import Part, named_precision, named_recall, season, setting
from haiga.evaluation.conditions import Item, item_from
from haiga.evaluation.text_only import text_only_auc
from haiga.records import Group, Score
from haiga.statistics.intervals import bootstrap_mean, wilson
from haiga.statistics.paired import difference
from haiga.text.haiku import JUDGES
from haiga.text.haiku import form as haiku_form
from haiga.text.language import is_in
from haiga.text.readable import readable
from haiga.text.scripts import tokens

Found: TypeAlias = dict[str, Any]

TRUTHS: Final[dict[str, Callable[[Item, str], Part]]] = {
    "named_precision": named_precision,
    "named_recall": named_recall,
    "season": season,
    "setting": setting,
}
"""What is true of a text where its picture's content is known. A text that cannot be read is read
all the same: that it is broken is another difference, and stands beside these."""
GROUNDING: Final = "grounding"
"""Their mean: what the verdict is about, declared before anything is seen."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A chosen and a rejected answer to one prompt."""

    item: Item
    cluster: str
    chosen: str
    rejected: str


def pairs_of(groups: Sequence[Group]) -> list[Pair]:
    """The pairs of two-sided groups: the k-th chosen answer with the k-th rejected one."""
    found = []
    for group in groups:
        cluster = group.cluster or "/".join(p.id for p in group.pictures) or group.id
        sides = ([a.text for a in group.answers if a.kind == k] for k in ("chosen", "rejected"))
        found += [
            Pair(item_from(group), cluster, good, bad) for good, bad in zip(*sides, strict=True)
        ]
    return found


def audit(pairs: Sequence[Pair], *, seed: int = 0) -> Found:
    """Everything that can be said of `pairs` without asking anybody; there is at least one.

    Differences are chosen minus rejected, pair by pair, with 95 % intervals by clusters.

    Returns:
        "pairs" and "clusters", how many; "truth": check -> chosen, rejected, difference, low,
        high, n, moved, detectable, empty where no picture's content is known; "sides": the same
        of form, language and readability; "length": the same in words (characters in Japanese);
        "longer": how often the chosen answer is the longer one, ties half; "shared": the share of
        a rejected answer's words that the chosen one has too; "text_only": the AUC of a
        classifier that sees no picture, or None; "equal", "repeated": shares of pairs;
        "both_sides": texts that are chosen here and rejected there.
    """
    clusters = [pair.cluster for pair in pairs]
    words = [(tokens(pair.chosen), tokens(pair.rejected)) for pair in pairs]
    longer = [(len(good) > len(bad)) + (len(good) == len(bad)) / 2 for good, bad in words]
    shared = [_shared(good, bad) for good, bad in words]
    said = [(" ".join(good), " ".join(bad)) for good, bad in words]
    auc = text_only_auc(
        [pair.chosen for pair in pairs], [pair.rejected for pair in pairs], clusters, seed=seed
    )
    return {
        "pairs": len(pairs),
        "clusters": len(set(clusters)),
        "truth": _truths(pairs, seed),
        "sides": _sides(pairs, seed),
        "length": _gap(
            [len(good) for good, _ in words], [len(bad) for _, bad in words], clusters, seed
        ),
        "longer": asdict(bootstrap_mean(longer, clusters, seed=seed)),
        "shared": asdict(bootstrap_mean(shared, clusters, seed=seed)),
        "text_only": None if auc is None else asdict(auc),
        "equal": asdict(wilson(sum(good == bad for good, bad in said), len(said))),
        "repeated": asdict(wilson(len(said) - len(set(said)), len(said))),
        "both_sides": len({good for good, _ in said} & {bad for _, bad in said}),
    }


def _truths(pairs: Sequence[Pair], seed: int) -> dict[str, Found]:
    known = [pair for pair in pairs if pair.item.truth.get("scene")]
    if not known:
        return {}
    clusters = [pair.cluster for pair in known]
    values = {
        name: [(_ratio(of(p.item, p.chosen)), _ratio(of(p.item, p.rejected))) for p in known]
        for name, of in TRUTHS.items()
    }
    values[GROUNDING] = [
        (sum(g for g, _ in each) / len(each), sum(b for _, b in each) / len(each))
        for each in zip(*values.values(), strict=True)
    ]
    return {
        name: _gap([g for g, _ in each], [b for _, b in each], clusters, seed, share=True)
        for name, each in values.items()
    }


def _sides(pairs: Sequence[Pair], seed: int) -> dict[str, Found]:
    """Language, readability and, of poems in a language that can be counted, form."""
    clusters = [pair.cluster for pair in pairs]
    tests: dict[str, Callable[[Item, str], bool]] = {
        "language": lambda item, text: is_in(text, item.language),
        "readable": lambda item, text: readable(text, item.task, item.language),
    }
    if all(pair.item.task == "haiku" and pair.item.language in JUDGES for pair in pairs):
        tests["form"] = lambda item, text: haiku_form(text, item.language).verdict == "pass"
    return {
        name: _gap(
            [test(pair.item, pair.chosen) for pair in pairs],
            [test(pair.item, pair.rejected) for pair in pairs],
            clusters,
            seed,
            share=True,
        )
        for name, test in tests.items()
    }


def _gap(
    chosen: Sequence[float],
    rejected: Sequence[float],
    clusters: Sequence[str],
    seed: int,
    *,
    share: bool = False,
) -> Found:
    """chosen - rejected, with what can be said about it."""
    found = difference(rejected, chosen, clusters, seed=seed, share=share)
    means = {"chosen": sum(chosen) / len(chosen), "rejected": sum(rejected) / len(rejected)}
    return {**means, **asdict(found)}


def _ratio(part: Part) -> float:
    return part.numerator / part.denominator


def _shared(chosen: Sequence[str], rejected: Sequence[str]) -> float:
    """The share of the rejected words that the chosen answer has too, each as often as it has."""
    common = Counter(chosen) & Counter(rejected)
    return common.total() / len(rejected) if rejected else 0.0


def flips(notes: Sequence[dict[str, Any]]) -> Found | None:
    """Of two-order judgements, how many contradict themselves; None where nothing was judged."""
    judged = [note for note in notes if "flipped" in note]
    if not judged:
        return None
    flipped: Score = wilson(sum(note["flipped"] for note in judged), len(judged))
    equal = sum(note["better"] == "equal" and not note["flipped"] for note in judged)
    return {"judged": len(judged), "flipped": asdict(flipped), "equal": equal}
