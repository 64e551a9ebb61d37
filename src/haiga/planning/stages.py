"""What a stage holds on one accelerator, put together from its parts in `planning.memory`."""

from __future__ import annotations

from dataclasses import dataclass

from haiga.planning.memory import (
    FLOAT32,
    Held,
    Numbers,
    Parameters,
    Pass,
    Rows,
    fixed,
    head,
    through_layers,
    writing,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One stage's step, on paper."""

    parameters: Parameters
    numbers: Numbers
    body: Pass | None
    """Through the language model; None where no gradient goes through it."""
    tower: Pass | None
    """Through a tower that learns; None where it rests, and its features come from the cache."""
    vocabulary: int
    picture: int
    """Positions that the pictures of a row take."""
    question: int
    """Positions of the prompt beside them."""
    answers: int
    """Of a group, side by side behind the prompt."""
    projector: bool = False
    """Whether the projector learns."""
    head: bool = False
    """Whether the LM head learns."""
    written: bool = False
    """Whether the model writes the answers itself, in a rollout."""
    paged: bool = False

    def rows(self, groups: int, answer: int) -> Rows:
        """So many groups whose answers are all as long as this."""
        positions = self.picture + self.question + self.answers * answer
        return Rows(groups, positions, groups * self.answers * answer, self.answers > 1)


def held(step: Step, groups: int, answer: int) -> Held:
    """Bytes at the worst moment of a step on so many groups at once, each answer so many tokens.

    The way back begins where all is kept and the head is at work; the last layer comes next. A
    rollout keeps nothing for a way back, and AdamW's step comes when all that is gone: it holds the
    square roots of its second moments, 4 bytes a trained weight. The largest of these counts.
    """
    base = fixed(step.parameters, step.numbers, step.paged)
    rows = step.rows(groups, answer)
    moments = [0.0 if step.paged else FLOAT32 * step.parameters.trained]
    if step.body is not None:
        width = step.body.layers.width
        kept, back = through_layers(step.body, rows)
        last = head(step.numbers, width, step.vocabulary, rows.learned, step.head)
        before, into = _eyes(step, groups, width)
        # The embedded rows, and what the last norm has read, in float32.
        before += rows.count * rows.positions * (step.numbers.kept + FLOAT32) * width
        moments += [before + kept + max(last, back), before + into]
        if step.written:
            moments.append(writing(step.body, rows, step.answers, step.vocabulary))
    return base._replace(activations=max(moments))


def most_groups(step: Step, groups: int, answer: int, room: float) -> int:
    """How many of these groups at once fit into so many bytes; 0 where not even one does."""
    fits = (many for many in range(groups, 0, -1) if held(step, many, answer).total <= room)
    return next(fits, 0)


def _eyes(step: Step, groups: int, width: int) -> tuple[float, float]:
    """(what tower and projector keep, what the tower's way back adds).

    A projector keeps the inputs of its two layers and of what lies between them: e (V + 2 H) for
    each position of a picture, with V the tower's width, taken for no more than H.
    """
    places = groups * step.picture
    kept = 3.0 * width * step.numbers.products * places if step.projector else 0.0
    if step.tower is None:
        return kept, 0.0
    own, back = through_layers(step.tower, Rows(groups, step.picture, 0, masked=False))
    return kept + own, back
