"""The similarity gate of 03_quality_checked: a text enters, goes, or is written again and listed.

Above one cosine a text enters, below another it goes. Between them it is written again once, where
there is a teacher; what does not enter then waits in a list for a person (`curation.review`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from haiga.curation import review, similarity
from haiga.curation.embeddings import Encoder
from haiga.curation.review import Decision, Entry
from haiga.curation.similarity import Bound, Bounds
from haiga.events import Sink
from haiga.store import PictureFiles
from haiga.text.language import identify

Row: TypeAlias = Mapping[str, Any]
Text: TypeAlias = dict[str, Any]
Pairs: TypeAlias = Callable[[], Iterable[tuple[Row, Sequence[Text]]]]
"""Every row with those of its texts that the rules let stand, from the first on at each call."""
STAGE: Final = "03_quality_checked"
BELOW: Final = "unlike its picture"
WAITS: Final = "hardly like its picture: waits in data/review.csv"
AGAIN: Final = "hardly like its picture: written again"
_BATCH: Final = 256


@dataclass(frozen=True)
class Gate:
    """What a recipe asks for, with what is needed to do it."""

    tasks: Sequence[str]
    enter: Bound
    reject: Bound
    encoder: Callable[[str], Encoder]
    """Language -> the encoder that reads it."""
    languages: Sequence[str]
    """Those that texts are told apart by, beside the one that their row says; none where one
    encoder reads all."""
    again: Callable[[Sequence[tuple[Row, str]]], Iterator[Text | None]] | None
    """(row and task of each text) -> for each another text, or None where none came that the rules
    let stand. None where nobody writes again."""
    decisions: Mapping[str, Decision]
    folder: Path
    """Where the list for review lies: pictures are named as seen from there."""
    seed: int


class Key(NamedTuple):
    """One text about one row."""

    row: str
    task: str
    text: str


@dataclass(frozen=True)
class Seen:
    """A text beside its pictures, measured."""

    key: Key
    pictures: tuple[str, ...]
    cluster: str
    language: str
    source: str
    score: float | None
    """The mean of its cosines with its pictures; None where a picture cannot be opened."""
    stamp: str
    instead: Text | None = None
    """What was written in its place and enters."""
    why: str = ""
    """Why it does not enter; empty where it does."""
    note: str = ""
    """What a person said of it."""


@dataclass
class Judged:
    """What became of every text, and what was found out about the encoders."""

    seen: dict[Key, Seen] = field(default_factory=dict)
    waiting: list[Entry] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    """Language -> the encoder, its gates, what passes them, and the retrieval check."""

    def sort(self, row: Row, texts: Sequence[Text]) -> tuple[list[Text], list[Text]]:
        """A row's texts: those that enter, and those that are set aside, each with its "reason".

        A rejected answer that belongs to a text goes where that goes.
        """
        good, bad = [], []
        for text in texts:
            own = text.get("of") or text["text"]
            seen = self.seen.get(Key(row["id"], text["task"], own))
            if seen is None:
                good.append(text)
                continue
            measured = dict(text)
            if not text.get("of"):
                measured |= {"similarity": seen.score, "tower": seen.stamp}
                measured |= {"review": seen.note} if seen.note else {}
            if not seen.why:
                good.append(measured)
                continue
            bad.append({**measured, "reason": seen.why})
            if seen.instead is not None and not text.get("of"):
                good.append(seen.instead)
        return good, bad


def judge(gate: Gate, pairs: Pairs, files: PictureFiles, emit: Sink) -> Judged:
    """Measure every text of the gate's tasks, set the gates, and decide.

    Raises:
        ModelError: an encoder cannot be read.
        BudgetError: writing again could cost too much.
    """
    seen = list(_measured(gate, pairs, files))
    judged = Judged()
    gates = {}
    for language in sorted({each.language for each in seen}):
        own = [each for each in seen if each.language == language and each.score is not None]
        if own:
            gates[language], judged.facts[language] = _calibrated(gate, own, language)
            _say(judged.facts[language], language, emit)
    decided = [_decided(each, gate, gates.get(each.language, (None, None))) for each in seen]
    judged.seen = {each.key: each for each in decided}
    if gate.again is not None:
        _write_again(gate, pairs, gates, judged)
    judged.waiting = [
        _entry(each, _places(each, files, gate.folder), gates.get(each.language, (None, None)))
        for each in judged.seen.values()
        if each.why == WAITS
    ]
    return judged


def _measured(gate: Gate, pairs: Pairs, files: PictureFiles) -> Iterator[Seen]:
    for batch in _batches(pairs()):
        asked = [
            (row, text)
            for row, texts in batch
            for text in texts
            if text["task"] in gate.tasks and row["pictures"] and _is_claim(text)
        ]
        spoken = [_language(row, text, gate.languages) for row, text in asked]
        for language in dict.fromkeys(spoken):
            own = [pair for pair, each in zip(asked, spoken, strict=True) if each == language]
            yield from _scored(gate.encoder(language), language, own, files)


def _language(row: Row, text: Text, languages: Sequence[str]) -> str:
    """The language that a text looks to be in, where there is a choice; else what its row says."""
    said = str(row["language"])
    if not languages:
        return said
    found = identify(text["text"], (*languages, said))
    return said if found == "und" else found


def _is_claim(text: Text) -> bool:
    """Whether a text means to be true of its picture: a rejected answer need not be."""
    return not text.get("of") and (text.get("kind") or "chosen") == "chosen"


def _scored(
    encoder: Encoder,
    language: str,
    asked: Sequence[tuple[Row, Text]],
    files: Mapping[str, bytes],
) -> Iterator[Seen]:
    ids = list(dict.fromkeys(id for row, _ in asked for id in row["pictures"]))
    faults = encoder.see(ids, files)
    encoder.read(text["text"] for _, text in asked)
    vectors = encoder.texts([text["text"] for _, text in asked])
    for (row, text), vector in zip(asked, vectors, strict=True):
        blind = any(id in faults for id in row["pictures"])
        score = None if blind else float((encoder.pictures(row["pictures"]) @ vector).mean())
        yield Seen(
            Key(row["id"], text["task"], text["text"]),
            tuple(row["pictures"]),
            row["cluster"],
            language,
            text["source"],
            score,
            encoder.stamp,
        )


def _calibrated(gate: Gate, own: Sequence[Seen], language: str) -> tuple[Bounds, dict[str, Any]]:
    """The gates of a language, and what they mean: by at most 1,000 texts, one to a picture."""
    one = {each.pictures[0]: each for each in reversed(own)}
    order = np.random.default_rng([gate.seed, 0x51]).permutation(len(one))
    sample = [list(one.values())[at] for at in sorted(order[: similarity.SAMPLE])]
    encoder, words = gate.encoder(language), [each.key.text for each in sample]
    pictures, texts = encoder.pictures([each.pictures[0] for each in sample]), encoder.texts(words)
    cosines = similarity.calibrate(pictures, texts, words, [each.cluster for each in sample])
    bounds, shares = similarity.gates(cosines, gate.enter, gate.reject)
    found = similarity.retrieval(pictures, texts, words)
    counts = {"texts": len(own), "sampled": len(sample)}
    return bounds, {**encoder.facts, **counts, **shares, "retrieval": found}


def _decided(seen: Seen, gate: Gate, bounds: Bounds) -> Seen:
    """A text with the reason for which it does not enter, if there is one."""
    said = gate.decisions.get(_review_key(seen))
    if said is not None:
        note = f"{'accepted' if said.accept else 'rejected'}: {said.reason}".rstrip(": ")
        why = "" if said.accept else "rejected by a person"
        return replace(seen, why=why, note=note)
    return replace(seen, why=_why(seen.score, bounds))


def _why(score: float | None, bounds: Bounds) -> str:
    enter, reject = bounds
    if score is None or enter is None or reject is None:
        return WAITS
    return "" if score >= enter else BELOW if score < reject else WAITS


def _write_again(gate: Gate, pairs: Pairs, gates: Mapping[str, Bounds], judged: Judged) -> None:
    """Each text between the gates once more; a new one that enters takes its place.

    All are asked for together, so that a teacher can be asked in batches; their rows are in memory.
    """
    assert gate.again is not None, "asked for where somebody writes"
    asked = [
        (row, key)
        for row, texts in pairs()
        for text in texts
        if (key := Key(row["id"], text["task"], text["text"])) in judged.seen
        and _is_between(judged.seen[key], gates)
    ]
    new = gate.again([(row, key.task) for row, key in asked])
    for (row, key), text in zip(asked, new, strict=True):
        if text is None:
            continue
        language = _language(row, text, gate.languages)
        (seen,) = _scored(gate.encoder(language), language, [(row, text)], {})
        if _why(seen.score, gates.get(language, (None, None))) == "":
            instead = {**text, "similarity": seen.score, "tower": seen.stamp}
            judged.seen[key] = replace(judged.seen[key], why=AGAIN, instead=instead)


def _is_between(seen: Seen, gates: Mapping[str, Bounds]) -> bool:
    """Whether its own measurement has put it between the gates."""
    return seen.why == WAITS and seen.score is not None and None not in gates[seen.language]


def _batches(pairs: Iterable[tuple[Row, Sequence[Text]]]) -> Iterator[list[Any]]:
    left = iter(pairs)
    while batch := list(islice(left, _BATCH)):
        yield batch


def _review_key(seen: Seen) -> str:
    return review.key_of(seen.pictures, seen.key.task, seen.key.text)


def _places(seen: Seen, files: PictureFiles, folder: Path) -> str:
    return " ".join(files.path(id).relative_to(folder).as_posix() for id in seen.pictures)


def _entry(seen: Seen, places: str, bounds: Bounds) -> Entry:
    why = "between the gates"
    if seen.score is None:
        why = "a picture could not be opened"
    elif None in bounds:
        why = f"too few texts in {seen.language} to set the gates by"
    return Entry(
        _review_key(seen),
        places,
        seen.key.task,
        seen.key.text,
        {"similarity": seen.score, "enter": bounds[0], "reject": bounds[1]},
        why,
    )


def _say(facts: Mapping[str, Any], language: str, emit: Sink) -> None:
    found = facts["retrieval"]
    if not found["enough"]:
        text = (
            f"{facts['tower']} finds the right text among the first {found['among']} of "
            f"{found['gallery']} for {found['share']:.0%} of the pictures ({language}), where "
            f"{similarity.ENOUGH:.0%} are asked for. Either it does not read {language}, or "
            "pictures and texts of this set do not belong together; do not trust its gates before "
            "you have looked."
        )
        emit({"kind": "warning", "stage": STAGE, "text": text})
