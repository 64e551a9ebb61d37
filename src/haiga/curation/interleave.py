"""Pictures of a document assigned to its texts by similarity.

MMC4 (Zhu et al. 2023, arXiv:2304.06939) gives each picture a sentence of its own, so that together
they are as alike as can be; where a page has more pictures than sentences, or a text may be about
several, many may share one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from haiga.curation.embeddings import Encoder
from haiga.sources.conversations import RowFault
from haiga.sources.download import FetchFault
from haiga.sources.interleaved import FORMS, Placed, Sheet, url_of
from haiga.sources.rows import Read
from haiga.sources.url_list import Fetching, Get, fetched
from haiga.store import digest


def one_to_one(similarity: Float[np.ndarray, "P T"], minimum: float) -> list[int]:
    """For each picture its text, or -1: no text has two pictures.

    Of all such assignments the one with the largest sum of what similarities are above `minimum`;
    nothing at or below it is assigned (scipy.optimize.linear_sum_assignment, exact).
    """
    gain = np.maximum(similarity - minimum, 0.0)
    found = [-1] * len(similarity)
    for picture, text in zip(*linear_sum_assignment(gain, maximize=True), strict=True):
        if gain[picture, text] > 0:
            found[picture] = int(text)
    return found


def many_to_one(similarity: Float[np.ndarray, "P T"], minimum: float) -> list[int]:
    """For each picture the text that it is most like, the first of equals; else -1."""
    best = similarity.argmax(axis=1)
    return [
        int(text) if similarity[picture, text] > minimum else -1
        for picture, text in enumerate(best)
    ]


METHODS: Final[dict[str, Callable[[Float[np.ndarray, "P T"], float], list[int]]]] = {
    "one": one_to_one,
    "many": many_to_one,
}
"""Name -> (similarity, minimum): the text of each picture."""


@dataclass
class Tally:
    """What became of the pictures of all documents."""

    documents: int = 0
    pictures: int = 0
    assigned: int = 0
    unlike: int = 0
    """Like no text by more than the minimum, or like one that a likelier picture has."""
    gone: int = 0
    """Could not be fetched, or not be opened."""
    texts_with_one: int = 0
    texts_with_several: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    """Why documents could not be read, and how many."""


class How(NamedTuple):
    """How pictures are assigned."""

    form: str
    to: str
    method: str
    minimum: float
    fetching: Fetching


class _Fetched(NamedTuple):
    row: Mapping[str, Any]
    sheet: Sheet | None
    pictures: Sequence[bytes | None]
    fault: str = ""


def assigned(
    rows: Iterable[tuple[str, Read]], encoder: Encoder, how: How, tally: Tally
) -> Iterator[dict[str, Any]]:
    """Each document in the form that is asked for, its pictures with the texts that they are like.

    Documents come in their order. One that cannot be read, or that has no text, is counted in
    `tally` and left out.
    """
    for job in fetched(rows, partial(_fetch, form=how.form), how.fetching):
        if job.sheet is None or not job.sheet.texts:
            why = job.fault or "no text"
            tally.faults[why] = tally.faults.get(why, 0) + 1
            continue
        tally.documents += 1
        similarity = _similarity(job.sheet, job.pictures, encoder)
        placed = _placed(similarity, METHODS[how.method], how.minimum, tally)
        rows_of_it = [[round(float(each), 4) for each in row] for row in similarity]
        yield FORMS[how.to].make(job.sheet, placed, rows_of_it, url_of(job.row))


def _fetch(job: tuple[str, Read], *, get: Get, form: str) -> _Fetched:
    _, row = job
    if isinstance(row, str):
        return _Fetched({}, None, (), row)
    try:
        sheet = FORMS[form].read(row)
    except RowFault as fault:
        return _Fetched(row, None, (), str(fault))
    return _Fetched(row, sheet, [_bytes(get, url) for url in sheet.pictures])


def _bytes(get: Get, url: str) -> bytes | None:
    try:
        return get(url)[0]
    except FetchFault:
        return None


def _similarity(
    sheet: Sheet, pictures: Sequence[bytes | None], encoder: Encoder
) -> Float[np.ndarray, "P T"]:
    """Cosines; a picture that is gone has none, which is not a number."""
    files = {digest(data): data for data in pictures if data is not None}
    faults = encoder.see(list(files), files)
    encoder.read(sheet.texts)
    texts = encoder.texts(sheet.texts)
    similarity = np.full((len(pictures), len(sheet.texts)), np.nan)
    for at, data in enumerate(pictures):
        if data is not None and (id := digest(data)) not in faults:
            similarity[at] = encoder.pictures([id])[0] @ texts.T
    return similarity


def _placed(
    similarity: Float[np.ndarray, "P T"],
    method: Callable[[Float[np.ndarray, "P T"], float], list[int]],
    minimum: float,
    tally: Tally,
) -> list[Placed]:
    here = [at for at, row in enumerate(similarity) if not np.isnan(row).any()]
    texts = method(similarity[here], minimum) if here else []
    placed = [
        Placed(at, text, round(float(similarity[at, text]), 4))
        for at, text in zip(here, texts, strict=True)
        if text >= 0
    ]
    counts = np.bincount([each.text for each in placed], minlength=1)
    tally.pictures += len(similarity)
    tally.gone += len(similarity) - len(here)
    tally.assigned += len(placed)
    tally.unlike += len(here) - len(placed)
    tally.texts_with_one += int((counts == 1).sum())
    tally.texts_with_several += int((counts > 1).sum())
    return placed
