"""Every question of some jobs in batches, round by round, until all answers are kept.

A job is run with a teacher that knows the answers that are kept and notes what else it is asked.
What was noted is handed in, and when it is answered the jobs are run again, and come further. So
nothing that asks a teacher knows of batches. A session that was killed goes on where it was: before
a batch is sent there is a slip for it, and an answer is billed and kept as it is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from haiga.errors import BudgetError, TeacherError
from haiga.store.files import fingerprint
from haiga.teachers.books import Books
from haiga.teachers.bulk.base import BYTES, Result
from haiga.teachers.bulk.fetch import fetch, find, hand_in
from haiga.teachers.bulk.slips import Slip, Slips
from haiga.teachers.cache import answer_to, keep, key_of
from haiga.teachers.client import NotYet, Pace, Remote, Request, Response, Teacher
from haiga.teachers.meter import bill, most_in, paid_for
from haiga.teachers.prices import dollars_at_most, in_batch, price_of

Job: TypeAlias = Callable[[Teacher], object]
Jobs: TypeAlias = Callable[[], Iterable[Job]]
TRIES: Final = 3
"""How often a question is handed in that expires, or that the provider fails on."""


@dataclass
class _Pack:
    """Questions for one batch."""

    questions: dict[str, tuple[str, str]] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    most: float = 0.0

    def has_room(self, line: bytes, questions: int) -> bool:
        return len(self.lines) < questions and self.size + len(line) < BYTES

    def add(self, key: str, request: Request, line: bytes, most: float) -> None:
        self.questions[key] = (request.task, request.row)
        self.lines.append(line)
        self.size += len(line) + 1
        self.most += most


class Bulk:
    """A teacher that is asked in batches what some jobs will ask it."""

    def __init__(
        self, teacher: Remote, jobs: Jobs, made_of: Mapping[str, Any], books: Books
    ) -> None:
        self._asked, self._jobs, self._made_of, self._books = teacher, jobs, made_of, books
        self._price = in_batch(price_of(teacher.model, books.prices))
        self._spent = books.spent(teacher.model)
        self._slips = Slips(books.answers / "batches", fingerprint(made_of))
        self._failed: dict[str, str] = {}
        self._answers = 0
        self._tries: Counter[str] = Counter()
        self._full: dict[str, str] = {}
        """Questions of this round whose batch was refused for what is under way, and why."""

    def send(self) -> bool:
        """Hand in every question that has no answer; whether there was one.

        Raises:
            BudgetError: the next question could cost too much; the others are answered.
            TeacherError: a batch could not be handed in.
        """
        pack, any_ = _Pack(), False
        for key, request in self._wanted():
            any_ = True
            try:
                line = self._asked.desk.line(key, request)
            except TeacherError as error:
                self._failed[key] = str(error)
                continue
            tokens_in = most_in(self._asked, request)
            most = dollars_at_most(self._price, tokens_in, self._asked.max_tokens)
            if not pack.has_room(line, self._asked.pace.batch or 1):
                pack = self._hand_in(pack)
            if not self._affords(pack.most + most):
                pack = self._hand_in(pack)
                self.collect()
                self._require(most)
            pack.add(key, request, line, most)
        self._hand_in(pack)
        return any_

    def collect(self) -> None:
        """Wait for every batch that was handed in, and bill and keep its answers.

        Raises:
            TeacherError: one could not be fetched; it is still there for the next session.
        """
        answers, self._full = self._answers, {}
        slips = self._slips.open()
        if slips:
            said = f"waiting for {len(slips):,} of its batches, most of which end within an hour"
            self._say(f"{said}; stop it if you like, the same command goes on from here")
        for slip in slips:
            batch = slip.batch or find(self._asked.desk, slip, self._slips.batches())
            if batch is None:
                self._slips.close(slip, {})  # it never arrived, and is asked again
                continue
            self._fetch(self._slips.write(replace(slip, batch=batch)))
        if self._full and self._answers == answers:
            self._failed |= self._full  # nothing is under way, and it is still too much

    def teacher(self) -> Remote:
        """The teacher, which answers what it was asked in batches, and nothing else."""

        def ask(request: Request) -> Response:
            known = self._known(request)
            if known is None:
                raise TeacherError(f"{self._asked.model} was not asked this in a batch.")
            return known

        return replace(self._asked, ask=ask, pace=Pace(at_once=1))

    def _wanted(self) -> Iterator[tuple[str, Request]]:
        """Questions whose answers are needed now, each once."""
        seen: set[str] = set()
        for job in self._jobs():
            noted: dict[str, Request] = {}
            with suppress(NotYet, TeacherError):
                job(self._noting(noted))
            yield from ((key, noted[key]) for key in noted if key not in seen)
            seen.update(noted)

    def _noting(self, noted: dict[str, Request]) -> Remote:
        def ask(request: Request) -> Response:
            known = self._known(request)
            if known is None:
                noted[key_of(request, self._made_of)] = request
                raise NotYet
            return known

        return replace(self._asked, ask=ask, pace=Pace(at_once=1))

    def _known(self, request: Request) -> Response | None:
        """An answer that is kept, None where there is none yet.

        Raises:
            TeacherError: there will be none.
        """
        key = key_of(request, self._made_of)
        if key in self._failed:
            raise TeacherError(f"{self._asked.model}: {self._failed[key]}.")
        return answer_to(self._books.answers, key)

    def _affords(self, most: float) -> bool:
        limit = self._asked.max_dollars
        held = sum(slip.most for slip in self._slips.open())
        return limit is None or self._spent + held + most <= limit

    def _require(self, most: float) -> None:
        if not self._affords(most):
            raise BudgetError(
                f"The next question may cost ${most:.4f}; ${self._spent:.4f} of max_dollars = "
                f"{self._asked.max_dollars:g} are spent, so no batch was handed in. Raise "
                "max_dollars and run the same command again; what was paid for is kept."
            )

    def _hand_in(self, pack: _Pack) -> _Pack:
        """Send a pack, and begin another."""
        if pack.lines:
            known = self._slips.batches()
            slip = self._slips.begin(pack.questions, pack.most)
            batch = hand_in(self._asked.desk, slip, pack.lines, known)
            self._slips.write(replace(slip, batch=batch))
            self._say(f"batch {batch} of {len(pack.lines):,} questions is handed in")
        return _Pack()

    def _fetch(self, slip: Slip) -> None:
        billed = self._books.billed(slip.batch)
        faults: dict[str, str] = {}
        for result in fetch(self._asked.desk, slip):
            if result.response is None:
                faults[result.id] = result.fault
                self._lacks(result)
            else:
                self._take(slip, result.id, result.response, result.id in billed)
        self._slips.close(slip, faults)
        answered = len(slip.questions) - len(faults)
        first = next((f"; the first without: it {fault}" for fault in faults.values()), "")
        self._say(
            f"batch {slip.batch}: {answered:,} answers, {len(faults):,} questions without{first}"
        )

    def _lacks(self, result: Result) -> None:
        """Count a question without an answer: it is asked again, or has failed."""
        if result.full:
            self._full[result.id] = result.fault
            return
        self._tries[result.id] += 1
        if not result.again or self._tries[result.id] == TRIES:
            self._failed[result.id] = result.fault

    def _take(self, slip: Slip, id_: str, response: Response, billed: bool) -> None:
        """Bill an answer, once, before it is kept."""
        task, row = slip.questions[id_]
        paid = paid_for(response, self._price, slip.most / len(slip.questions))
        if not billed:
            line = bill(self._asked.model, paid, 0.0, row, task)
            self._books.spend({**line, "batch": slip.batch, "question": id_})
            self._spent += paid.dollars
        keep(self._books.answers, id_, task, row, paid)
        self._answers += 1

    def _say(self, text: str) -> None:
        self._books.say(f"{self._asked.model}: {text}")


def fill(bulks: Sequence[Bulk]) -> None:
    """Ask all that the jobs of several teachers ask, the batches of all of them side by side.

    Raises:
        BudgetError: a question could cost too much.
        TeacherError: a batch could not be handed in or fetched.
    """
    for bulk in bulks:
        bulk.collect()  # what another session has handed in
    while sum(bulk.send() for bulk in bulks):  # not `any`, which would ask the first alone
        for bulk in bulks:
            bulk.collect()
