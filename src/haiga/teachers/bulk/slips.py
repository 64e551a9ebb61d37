"""What was handed in and is still to be fetched: a file for each batch, there before it is sent."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from haiga.store.files import fingerprint, read_json, write_json


@dataclass(frozen=True, slots=True)
class Slip:
    """One batch. It holds no question's words, no address and no key."""

    name: str
    """Ours; a provider that takes names has it as well."""
    teacher: str
    """The fingerprint of what the teacher's answers depend on."""
    began: float
    """When it was about to be sent, in seconds since 1970."""
    most: float
    """Dollars that it may cost."""
    questions: Mapping[str, tuple[str, str]]
    """The id of a question -> its task and its row."""
    batch: str = ""
    """The provider's id; "" until it is known."""
    done: bool = False
    """Every answer is kept that it has."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """The id of a question -> why it has no answer."""


class Slips:
    """The slips of one teacher in a folder."""

    def __init__(self, folder: Path, teacher: str) -> None:
        self._folder, self._teacher = folder, teacher
        self._slips = {slip.name: slip for slip in _read(folder) if slip.teacher == teacher}

    def begin(self, questions: Mapping[str, tuple[str, str]], most: float) -> Slip:
        """A slip for a batch that is about to be sent, on the disk."""
        number = len(list(self._folder.glob("*.json")))
        began = time.time()
        made = fingerprint([self._teacher, began, sorted(questions)])
        slip = Slip(f"{number:05d}-{made[:12]}", self._teacher, began, most, questions)
        return self.write(slip)

    def write(self, slip: Slip) -> Slip:
        """Keep a slip as it is now."""
        write_json(self._folder / f"{slip.name}.json", slip)
        self._slips[slip.name] = slip
        return slip

    def close(self, slip: Slip, faults: Mapping[str, str]) -> None:
        """Nothing more is to be fetched for it."""
        self.write(replace(slip, done=True, faults=faults))

    def open(self) -> list[Slip]:
        """Those whose answers are still to be fetched, in the order in which they were begun."""
        return [slip for _, slip in sorted(self._slips.items()) if not slip.done]

    def batches(self) -> set[str]:
        """The provider's ids that are known."""
        return {slip.batch for slip in self._slips.values()}


def _read(folder: Path) -> Iterator[Slip]:
    for path in sorted(folder.glob("*.json")):
        found = read_json(path)
        questions = {id_: (task, row) for id_, (task, row) in found["questions"].items()}
        yield Slip(**{**found, "questions": questions})
