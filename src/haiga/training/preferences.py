"""Groups with two sides: the answers that a stage prefers, and those that it is to leave.

The rejected answers to a picture are another task's ("bare"), or come from the task's own groups.
"given" takes those that the source calls so (RLAIF-V and its like). "same" sets the later half of
the answers against the earlier, which is a gap of nothing. "mismatched" sets the answers of another
picture against a picture's own, which only the picture can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from haiga.records import Answer, Group

GIVEN, SAME, MISMATCHED = "given", "same", "mismatched"
OWN = (GIVEN, SAME, MISMATCHED)
"""Rejected answers that come from the task's own groups."""


def two_sided(
    groups: Sequence[Group], rejected: str, tasks: Sequence[str], seed: int
) -> tuple[list[Group], dict[str, str]]:
    """The groups of `tasks`, each with as many rejected answers as there are, and who was dropped.

    A rejected answer that is equal to a chosen one is left out, under the name of its own: it would
    be pulled both ways.

    Args:
        groups: of all tasks that take part, `rejected` among them where it is one.
        rejected: a task, "given", "same" or "mismatched".
        tasks: those whose answers are chosen.
        seed: decides which picture's answers are mismatched.

    Returns:
        (groups with answers of both kinds, {row id, or one of its answers: why it does not take
        part}).
    """
    own = [group for group in groups if group.task in tasks]
    others = {_about(group): group for group in groups if group.task == rejected}
    made: list[Group] = []
    dropped: dict[str, str] = {}
    for group, stranger in zip(own, strangers(own, seed), strict=True):
        good, bad = _sides(group, stranger, others.get(_about(group)), rejected)
        texts = {answer.text for answer in good}
        kept = [answer for answer in bad if answer.text not in texts]
        if not good or not bad:
            dropped[group.id] = f"no {'chosen' if bad else 'rejected'} answer ({rejected})"
        elif not kept:
            dropped[group.id] = "every rejected answer is equal to a chosen one"
        else:
            pairs = min(len(good), len(kept))
            sides = (*_as(good[:pairs], "chosen"), *_as(kept[:pairs], "rejected"))
            made.append(replace(group, answers=sides))
            dropped |= {
                f"{group.id}, rejected answer {at}": "it is equal to a chosen one"
                for at, answer in enumerate(bad, start=1)
                if answer.text in texts
            }
    return made, dropped


def one_sided(groups: Sequence[Group]) -> tuple[list[Group], dict[str, str]]:
    """The groups without the answers that a source calls rejected, and those that had no others.

    What learns to write all of a group's answers must not see them.
    """
    kept = [replace(group, answers=tuple(_good(group))) for group in groups]
    dropped = {group.id: "no chosen answer" for group in kept if not group.answers}
    return [group for group in kept if group.answers], dropped


def limited(group: Group, most: int | None) -> Group:
    """The group with at most so many answers of each kind: a pair keeps both its sides."""
    if most is None:
        return group
    kinds = [answer.kind for answer in group.answers]
    kept = [a for at, a in enumerate(group.answers) if kinds[:at].count(a.kind) < most]
    return replace(group, answers=tuple(kept))


def _sides(
    group: Group, stranger: Group | None, other: Group | None, rejected: str
) -> tuple[list[Answer], list[Answer]]:
    """Chosen and rejected answers of one group."""
    good = _good(group)
    if rejected == GIVEN:
        return good, [answer for answer in group.answers if answer.kind == "rejected"]
    if rejected == SAME:
        return good[: len(good) // 2], good[len(good) // 2 :]
    source = stranger if rejected == MISMATCHED else other
    return good, _good(source) if source else []


def _good(group: Group) -> list[Answer]:
    return [answer for answer in group.answers if answer.kind != "rejected"]


def with_mismatched(groups: Sequence[Group], seed: int) -> list[Group]:
    """Each group with one chosen answer of another picture beside its own: KTO's KL point.

    It is the first of the strangers' that the group does not hold already: where rejected answers
    are a stranger's too, the point is measured on another one's, as an answer that is unlearned
    tells nothing of how far the model has moved. A group without such a partner is left as it is.
    """
    return [
        replace(group, answers=(*group.answers, *_as(_foreign(group, others), MISMATCHED)))
        for group, others in zip(groups, _strangers(groups, seed), strict=True)
    ]


def _foreign(group: Group, others: Iterator[Group]) -> list[Answer]:
    """The first chosen answer of the first stranger where that is new; none where all are held."""
    held = {answer.text for answer in group.answers}
    for other in others:
        first = next((a for a in other.answers if a.kind == "chosen"), None)
        if first is not None and first.text not in held:
            return [first]
    return []


def strangers(groups: Sequence[Group], seed: int) -> list[Group | None]:
    """For each group one of another cluster, of the same task and language; None if there is none.

    Drawn once from `seed`, so that what is known of a pair stays known from epoch to epoch.
    """
    return [next(others, None) for others in _strangers(groups, seed)]


def _strangers(groups: Sequence[Group], seed: int) -> list[Iterator[Group]]:
    """For each group all of its strangers, in an order drawn from `seed`."""
    order = np.random.default_rng([seed, 0x57A]).permutation(len(groups)).tolist()
    kinds: dict[tuple[str, str], list[int]] = {}
    for at in order:
        kinds.setdefault((groups[at].task, groups[at].language), []).append(at)
    found: list[Iterator[Group]] = [iter(())] * len(groups)
    for members in kinds.values():
        own = [groups[at] for at in members]
        for place, at in enumerate(members):
            found[at] = _later(own, place)
    return found


def _later(members: Sequence[Group], place: int) -> Iterator[Group]:
    """The strangers among `members`, from behind `place` on, around to it."""
    for step in range(1, len(members)):
        other = members[(place + step) % len(members)]
        if _apart(members[place], other):
            yield other


def _apart(one: Group, other: Group) -> bool:
    if one.cluster and one.cluster == other.cluster:
        return False
    return {p.id for p in one.pictures}.isdisjoint({p.id for p in other.pictures})


def _about(group: Group) -> tuple[tuple[str, ...], str]:
    """What two tasks' groups have in common: the pictures, or the row where there are none."""
    shown = tuple(picture.id for picture in group.pictures)
    return shown or (group.id.removesuffix(f"/{group.task}"),), group.language


def _as(answers: Sequence[Answer], kind: str) -> list[Answer]:
    return [replace(answer, kind=kind) for answer in answers]
