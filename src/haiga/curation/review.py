"""What no rule decides is listed for a person: a CSV file out, the same file with decisions in.

    key,picture,task,text,similarity,enter,reject,why,decision,reason
    6f0c…,00_raw/pictures/…jpg,describe,a red boat,0.231,0.28,0.2,between the gates,accept,it is

A person fills in the last two columns, in an editor or a spreadsheet. Lines that are decided stay
in the file when it is written again, also if they are not listed any more.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from haiga.errors import DataError
from haiga.store import fingerprint, write_atomically

NAME: Final = "review.csv"
COLUMNS: Final = (
    "key", "picture", "task", "text", "similarity", "enter", "reject", "why", "decision", "reason"
)  # fmt: skip
_WORDS: Final = {"accept": True, "reject": False}


class Decision(NamedTuple):
    """What a person has decided."""

    accept: bool
    reason: str
    task: str


class Entry(NamedTuple):
    """One line that waits for a decision."""

    key: str
    picture: str
    """Where it lies, seen from the file."""
    task: str
    text: str
    measured: Mapping[str, float | None]
    """similarity, enter, reject."""
    why: str


def key_of(pictures: Iterable[str], task: str, text: str) -> str:
    """The name of a decision: the same for the same text about the same pictures."""
    return fingerprint([list(pictures), task, text])[:16]


def read(path: Path) -> dict[str, Decision]:
    """Key -> what was decided; lines without a decision are passed over, and so is no file.

    Raises:
        DataError: the file is no such list, or a decision cannot be read; names its row.
    """
    found = {}
    for at, row in enumerate(_rows(path), 2):
        said = row["decision"].strip().lower()
        if not said:
            continue
        if said not in _WORDS:
            raise DataError(
                f"{path}, row {at}: the decision {row['decision']!r} is neither accept nor "
                "reject. Write one of them, or leave the field empty."
            )
        reason = row["reason"].strip()
        if _WORDS[said] and not reason:
            raise DataError(
                f"{path}, row {at}: it is accepted without a reason. Say in the last column why "
                "the measurement is wrong here."
            )
        found[row["key"]] = Decision(_WORDS[said], reason, row["task"])
    return found


def count(path: Path) -> int:
    """How many lines there are, decided or not.

    Raises:
        DataError: the file is no such list.
    """
    return len(_rows(path))


def write(path: Path, entries: Iterable[Entry], own: Callable[[str], bool]) -> int:
    """List `entries`, beside what is decided already; returns how many of them are undecided.

    `own` tells by its task whether a line is of the same kind as `entries`: what is undecided of
    another kind stays, what is undecided of this one and not listed any more goes.

    Raises:
        DataError: what is there is no such list.
    """
    before = _rows(path)
    decided = {row["key"]: row for row in before if row["decision"].strip()}
    others = [row for row in before if row["key"] not in decided and not own(row["task"])]
    rows = {each.key: _row(each) for each in entries}
    waiting = [row for key, row in rows.items() if key not in decided]
    if not (decided or others or waiting):
        path.unlink(missing_ok=True)
        return 0
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*waiting, *others, *decided.values()])
    # With the mark by which spreadsheets know UTF-8.
    write_atomically(path, buffer.getvalue().encode("utf-8-sig"))
    return len(waiting)


def _row(entry: Entry) -> dict[str, str]:
    numbers = {k: "" if v is None else f"{v:.4f}" for k, v in entry.measured.items()}
    fields = {"key": entry.key, "picture": entry.picture, "task": entry.task, "text": entry.text}
    return {**dict.fromkeys(COLUMNS, ""), **fields, **numbers, "why": entry.why}


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error}). Save it as CSV in UTF-8.") from error
    first = text.split("\n", 1)[0]
    # A spreadsheet in much of Europe writes semicolons.
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in first else ",")
    lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if lacking:
        raise DataError(
            f"{path} has no column {', '.join(lacking)}: it is no list of what waits for review. "
            "Keep its first line as it was, or delete the file to have it written again."
        )
    return [{name: row[name] or "" for name in COLUMNS} for row in reader]
