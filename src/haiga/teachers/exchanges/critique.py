"""A teacher looks at its own text again, says what is wrong with it, and writes it anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from haiga.records import IMAGE, Message, assistant, user
from haiga.teachers.client import Request, Teacher, text_of
from haiga.teachers.exchanges.base import Held, Written
from haiga.teachers.exchanges.words import words
from haiga.teachers.structured import Record, ask_as


class Critique(Record):
    """What is wrong with a text about a picture, each fault a sentence."""

    not_shown: list[str]
    """What it says and the picture does not show."""
    missing: list[str]
    """What the picture lives by and the text leaves out."""
    form: list[str]
    """Where it does not keep the form that was asked for."""
    verdict: Literal["keep", "revise"]

    def text(self) -> str:
        """Its sentences, a line each."""
        return "\n".join(f"- {fault}" for fault in (*self.not_shown, *self.missing, *self.form))


@dataclass(frozen=True, slots=True)
class Trace:
    """A draft, what was found wrong with it, and what became of it."""

    draft: str
    critique: Critique
    final: str
    """The draft itself where it was to be kept."""
    questions: tuple[str, str, str]
    """What was asked: for the draft, for its faults, for a better one."""
    images: int = 1
    """Pictures that the draft is about."""

    def conversation(self) -> tuple[Message, ...]:
        """As a conversation to learn from: asked, drafted, doubted, and written again.

        Empty where nothing was found: a critique that finds nothing teaches to find nothing.
        """
        if self.final == self.draft or not self.critique.text():
            return ()
        asked, doubted, again = self.questions
        return (
            user(*[IMAGE] * self.images, f"\n{asked}" if self.images else asked),
            assistant(self.draft),
            user(doubted),
            assistant(self.critique.text()),
            user(again),
            assistant(self.final),
        )


def critique(teacher: Teacher, request: Request, draft: str) -> Trace:
    """One or two calls: the faults of `draft`, and a better text where there are any.

    Args:
        teacher: who wrote the draft, or another.
        request: what the draft answers; its pictures are shown again.
        draft: the text.

    Raises:
        TeacherError: no answer, or none that can be read.
    """
    language = request.language
    asked = replace(
        request,
        task=f"{request.task}.critique",
        prompt=words("critique", language, asked=request.prompt, draft=draft),
    )
    found = ask_as(teacher, asked, Critique)
    doubted, again = words("doubts", language).splitlines()
    questions = (request.prompt, doubted, again)
    if found.verdict == "keep" or not found.text():
        return Trace(draft, found, draft, questions, len(request.pictures))
    better = replace(
        request,
        task=f"{request.task}.revise",
        prompt=words("revise", language, asked=request.prompt, draft=draft, faults=found.text()),
    )
    final = text_of(teacher.ask(better))
    return Trace(draft, found, final, questions, len(request.pictures))


def revised(
    teacher: Teacher, request: Request, texts: Sequence[str], *, pairs: bool = True
) -> Held:
    """A text as it is after its critique: itself, or the better one with the trace beside it.

    With `pairs` its draft is the better one's rejected answer. Raises TeacherError as `critique`.
    """
    trace = critique(teacher, request, *texts)
    note = {"verdict": trace.critique.verdict, "faults": trace.critique.text()}
    told = trace.conversation()
    if not told:
        return Held((Written(trace.final),), note)
    rejected = (Written(trace.draft, of=trace.final),) if pairs else ()
    return Held((Written(trace.final), *rejected, Written(trace.final, trace=told)), note)
