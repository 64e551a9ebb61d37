"""Groups side by side: one row is a prompt and, after it, all its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from haiga.batches.render import Rendered
from haiga.errors import DataError


@dataclass(frozen=True, eq=False)
class GroupBatch:
    """B groups with A answers and N learned tokens in all; L is the longest row.

    Learned tokens are in the order of their answers, and answers in the order of their groups, so
    that `logps.new_zeros(A).index_add(0, answer_of, logps)` is the log-prob of each answer.
    """

    ids: tuple[str, ...]
    """B row ids, for messages to people."""
    input_ids: Int[Tensor, "B L"]
    """The prefix, then the tokens of each answer, then padding."""
    position_ids: Int[Tensor, "B L"]
    """Every answer continues from the end of its prefix."""
    segments: Int[Tensor, "B L"]
    """0 prefix, k >= 1 the k-th answer of the row, -1 padding."""
    sources: Int[Tensor, " N"]
    """Flat index into B * L of the position whose hidden state predicts target n."""
    targets: Int[Tensor, " N"]
    """The learned tokens."""
    answer_of: Int[Tensor, " N"]
    """Answer of each learned token, 0 .. A-1."""
    group_of: Int[Tensor, " A"]
    """Row of each answer, 0 .. B-1."""
    ends: Int[Tensor, " A"]
    """Flat index into B * L of each answer's last learned token, where a reward is read."""
    kinds: tuple[str, ...]
    """A kinds of answers: "chosen", "rejected", …"""
    picture_ids: tuple[tuple[str, ...], ...]
    """The pictures of each row, in the order of their places."""
    features: Float[Tensor, "P T D"] | None = None
    """The tower's features of all pictures in order, where they are known; else
    `pixel_values`, which go through the tower."""
    pixel_values: Float[Tensor, "P C H W"] | None = None
    ref_answer_logps: Float[Tensor, " A"] | None = None
    """Log-prob of each whole answer under the reference, the model that the stage starts from."""
    ref_token_logps: Float[Tensor, " N"] | None = None
    """Log-prob of each learned token under the reference."""
    old_token_logps: Float[Tensor, " N"] | None = None
    """Log-prob of each learned token under the policy that sampled it."""
    temperature: float = 1.0
    """What logits are divided by, as they were when these answers were drawn."""
    fresh: bool = False
    """Whether that is the policy as it stands, whose own log-probs then serve where none are
    carried."""
    advantages: Float[Tensor, " N"] | None = None
    """How much better than expected each learned token turned out; an answer's own is repeated."""
    old_token_values: Float[Tensor, " N"] | None = None
    """What the critic expected before each learned token, when it was sampled."""
    returns: Float[Tensor, " N"] | None = None
    """What came after each learned token: the critic's target."""

    def to(self, device: torch.device | str) -> GroupBatch:
        """The same batch on another device."""
        moved = {
            field.name: getattr(self, field.name).to(device)
            for field in fields(self)
            if isinstance(getattr(self, field.name), Tensor)
        }
        return replace(self, **moved)


def pairs(batch: GroupBatch) -> Int[Tensor, "2 P"]:
    """The answers that are held against each other: chosen ones above, rejected ones below.

    Within a group the k-th chosen answer meets the k-th rejected one; where one side has a single
    answer, it meets each of the other. Answers of other kinds take no part.

    Raises:
        DataError: where a row lacks one side, or its sides cannot be matched.
    """
    found: list[tuple[int, int]] = []
    rows = batch.group_of.tolist()
    for row, name in enumerate(batch.ids):
        own = [at for at, of in enumerate(rows) if of == row]
        chosen, rejected = (
            [at for at in own if batch.kinds[at] == kind] for kind in ("chosen", "rejected")
        )
        most = max(len(chosen), len(rejected))
        if not chosen or not rejected or {len(chosen), len(rejected)} - {1, most}:
            raise DataError(
                f"Row {name}: {len(chosen)} chosen and {len(rejected)} rejected answers make no "
                "pairs. Give as many of one kind as of the other, or a single one of either."
            )
        sides = (side * most if len(side) == 1 else side for side in (chosen, rejected))
        found += zip(*sides, strict=True)
    return torch.tensor(found, dtype=torch.long, device=batch.group_of.device).reshape(-1, 2).T


@dataclass(frozen=True)
class _Row:
    input_ids: list[int]
    position_ids: list[int]
    segments: list[int]
    sources: list[list[int]]
    targets: list[list[int]]
    ends: list[int]


def collate(rendered: Sequence[Rendered], pad_id: int) -> GroupBatch:
    """Rendered groups as one right-padded batch; see `GroupBatch` for the shapes.

    Raises DataError where a row has no prefix (nothing predicts its first token) or an answer has
    nothing to learn.
    """
    rows = [_row(each) for each in rendered]
    width = max(len(row.input_ids) for row in rows)
    sources: list[int] = []
    targets: list[int] = []
    answer_of: list[int] = []
    ends: list[int] = []
    for r, row in enumerate(rows):
        for row_sources, row_targets, end in zip(row.sources, row.targets, row.ends, strict=True):
            answer_of += [len(ends)] * len(row_targets)
            sources += [r * width + at for at in row_sources]
            targets += row_targets
            ends.append(r * width + end)
    return GroupBatch(
        ids=tuple(each.id for each in rendered),
        input_ids=_padded([row.input_ids for row in rows], pad_id),
        position_ids=_padded([row.position_ids for row in rows], 0),
        segments=_padded([row.segments for row in rows], -1),
        sources=torch.tensor(sources, dtype=torch.long),
        targets=torch.tensor(targets, dtype=torch.long),
        answer_of=torch.tensor(answer_of, dtype=torch.long),
        group_of=torch.tensor([r for r, row in enumerate(rows) for _ in row.ends]),
        ends=torch.tensor(ends, dtype=torch.long),
        kinds=tuple(kind for each in rendered for kind in each.kinds),
        picture_ids=tuple(each.picture_ids for each in rendered),
    )


def _row(group: Rendered) -> _Row:
    if not group.prefix:
        raise DataError(f"Row {group.id}: the prompt is empty, so nothing predicts its answer.")
    start = len(group.prefix)
    row = _Row(list(group.prefix), list(range(start)), [0] * start, [], [], [])
    for index, answer in enumerate(group.answers):
        learned = [at for at, learn in enumerate(answer.learn) if learn]
        if not learned:
            raise DataError(f"Row {group.id}, answer {index}: it has no token to learn.")
        begin = len(row.input_ids)
        row.input_ids.extend(answer.ids)
        row.position_ids.extend(range(start, start + len(answer.ids)))
        row.segments.extend([index + 1] * len(answer.ids))
        # The prefix's last position predicts the first token of every answer.
        row.sources.append([begin + at - 1 if at else start - 1 for at in learned])
        row.targets.append([answer.ids[at] for at in learned])
        row.ends.append(begin + learned[-1])
    return row


def _padded(rows: Sequence[Sequence[int]], value: int) -> Int[Tensor, "B L"]:
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows], dtype=torch.long)
