"""Documents in which pictures stand among the texts: OBELICS and MMC4, their pictures fetched.

A document becomes one thing for each text that follows a picture. Its prompt is what stands before
that text, its answer the text: every such text is learned once, with all that a reader has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from haiga.records import IMAGE, Answer, Message, Part, assistant
from haiga.sources.base import Found
from haiga.sources.conversations import RowFault
from haiga.sources.download import FetchFault
from haiga.sources.rows import Read, meta_of, rows_of
from haiga.sources.url_list import Fetching, Get, fetched

SHOWN: Final = 4
"""Pictures that may stand in one prompt: with more, a text is far from what it speaks of."""
NO_TEXT: Final = "no text follows a picture"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture stands in a document."""

    url: str


Document = tuple[str | Place, ...]
"""Texts and pictures in the order of a page; no two texts side by side."""


@dataclass(frozen=True, slots=True)
class Form:
    """One published form of documents."""

    read: Callable[[Mapping[str, Any], float], Document]
    """Raises RowFault where a row has another form; the number is the least similarity."""
    columns: tuple[str, ...]
    """What is read; all else is what the row says besides."""
    faces: Callable[[Mapping[str, Any]], Mapping[str, int]]
    """How many faces were found in each picture, by its address, where somebody has looked."""


def documents(
    form: Form,
    seed: int,
    language: str,
    skip: int,
    *,
    data: str,
    similarity: float = 0.0,
    fetch: Fetching | None = None,
    meta: dict[str, str] | None = None,
) -> Iterator[Found]:
    """The texts that follow pictures in a set of documents, each with what stands before it.

    At most four pictures stand in a prompt, which begins with the first of them. MMC4's pictures of
    less than `similarity` to their sentence are left out; OBELICS has no such number. Pictures are
    fetched as the source `url_list` fetches. An earlier picture that is gone leaves its place, and
    stands in `meta` under `lost`; if it is the one that the text follows, the thing is set aside.

    Raises:
        DataError: the documents cannot be read.
    """
    jobs = _jobs(form, rows_of(data), similarity, skip)
    found = partial(_found, form=form, language=language, given=meta)
    for things in fetched(jobs, found, fetch or Fetching()):
        yield from things


@dataclass(frozen=True, slots=True)
class _Job:
    """A row, its pieces that are not at home yet, and the number of the first of them."""

    place: str
    row: Mapping[str, Any]
    pieces: Sequence[Document]
    first: int
    fault: str = ""


def _jobs(
    form: Form,
    rows: Iterator[tuple[str, Read]],
    similarity: float,
    skip: int,
) -> Iterator[_Job]:
    left = skip
    for place, row in rows:
        if isinstance(row, str):
            job = _Job(place, {}, (), 1, row)
        else:
            try:
                pieces = _pieces(form.read(row, similarity))
                job = _Job(place, row, pieces, 1, "" if pieces else NO_TEXT)
            except RowFault as fault:
                job = _Job(place, row, (), 1, str(fault))
        count = max(1, len(job.pieces))
        if left < count:
            yield _Job(place, job.row, job.pieces[left:], 1 + left, job.fault)
        left = max(0, left - count)


def _pieces(document: Document) -> list[Document]:
    """For each text that follows a picture: that text, last, and what stands before it."""
    found = []
    for at in range(1, len(document)):
        if not (isinstance(document[at], str) and isinstance(document[at - 1], Place)):
            continue
        shown = [place for place in range(at) if isinstance(document[place], Place)]
        begin = shown[-SHOWN] if len(shown) > SHOWN else 0
        found.append(document[begin : at + 1])
    return found


def _found(
    job: _Job, *, get: Get, form: Form, language: str, given: Mapping[str, str] | None
) -> list[Found]:
    said = meta_of(job.row, form.columns, given)
    if job.fault:
        return [Found(job.place, language=language, meta=said, fault=job.fault)]
    urls = dict.fromkeys(p.url for piece in job.pieces for p in piece if isinstance(p, Place))
    shown: dict[str, tuple[bytes, str] | FetchFault] = {url: _fetched(get, url) for url in urls}
    faces = form.faces(job.row)
    return [
        _thing(f"{job.place}.{number}", piece, shown, language, {**said, **_counted(piece, faces)})
        for number, piece in enumerate(job.pieces, job.first)
    ]


def _counted(piece: Document, faces: Mapping[str, int]) -> dict[str, int]:
    """The faces in the pictures of a piece; nothing where nobody has looked at any."""
    found = [faces[each.url] for each in piece if isinstance(each, Place) and each.url in faces]
    return {"faces": sum(found)} if found else {}


def _fetched(get: Get, url: str) -> tuple[bytes, str] | FetchFault:
    try:
        return get(url)
    except FetchFault as fault:
        return fault


def _thing(
    id_: str,
    piece: Document,
    shown: Mapping[str, tuple[bytes, str] | FetchFault],
    language: str,
    said: Mapping[str, Any],
) -> Found:
    *before, text = piece
    parts: list[Part] = []
    pictures, lost = [], []
    last: FetchFault | None = None
    for each in before:
        if isinstance(each, str):
            parts.append(each)
            continue
        held = shown[each.url]
        last = held if isinstance(held, FetchFault) else None
        if isinstance(held, FetchFault):
            lost.append({"url": each.url, "error": held.detail or held.reason})
        else:
            parts.append(IMAGE)
            pictures.append(held)
    meta = {**said, "lost": lost} if lost else dict(said)
    if last is not None:
        return Found(id_, language=language, meta=meta, fault=last.reason)
    answer = Answer((assistant(str(text)),), source="source")
    prompt = (Message("user", tuple(parts)),)
    return Found(id_, tuple(pictures), "", language, meta, prompt, (answer,))


def obelics(row: Mapping[str, Any], similarity: float) -> Document:
    """OBELICS (Laurençon et al. 2023): `images` and `texts`, of which each place has exactly one.

    https://huggingface.co/datasets/HuggingFaceM4/OBELICS
    """
    images, texts = row.get("images"), row.get("texts")
    if not isinstance(images, list) or not isinstance(texts, list) or len(images) != len(texts):
        raise RowFault("images and texts are no lists of one length")
    parts: list[str | Place] = []
    for image, text in zip(images, texts, strict=True):
        if (image is None) == (text is None):
            raise RowFault("a place with a picture and a text, or with neither")
        parts.append(Place(str(image)) if text is None else str(text))
    return _joined(parts, "\n\n")


def mmc4(row: Mapping[str, Any], similarity: float) -> Document:
    """MMC4 (Zhu et al. 2023): sentences, each behind the pictures that were assigned to it.

    https://github.com/allenai/mmc4
    """
    texts, infos = row.get("text_list"), row.get("image_info")
    if not isinstance(texts, list) or not isinstance(infos, list):
        raise RowFault("no text_list, or no image_info")
    places: dict[int, list[str | Place]] = {}
    for info in infos:
        at = info.get("matched_text_index") if isinstance(info, dict) else None
        if not isinstance(at, int) or not 0 <= at < len(texts) or not info.get("raw_url"):
            raise RowFault("a picture without an address, or without its sentence")
        if (info.get("matched_sim") or 0.0) >= similarity:
            places.setdefault(at, []).append(Place(str(info["raw_url"])))
    parts = [part for at, text in enumerate(texts) for part in (*places.get(at, ()), str(text))]
    return _joined(parts, " ")


def _joined(parts: Sequence[str | Place], between: str) -> Document:
    """The parts with texts that stand side by side joined, and empty ones left out."""
    full = [part for part in parts if isinstance(part, Place) or part.strip()]
    joined: list[str | Place] = []
    for part in full:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += between + part
        else:
            joined.append(part)
    return tuple(joined)


def _no_faces(row: Mapping[str, Any]) -> dict[str, int]:
    return {}


def _faces(row: Mapping[str, Any]) -> dict[str, int]:
    infos = [info for info in row["image_info"] if isinstance(info.get("face_detections"), list)]
    return {str(info["raw_url"]): len(info["face_detections"]) for info in infos}


OBELICS: Final = Form(obelics, ("images", "texts", "metadata"), _no_faces)
MMC4: Final = Form(mmc4, ("text_list", "image_info", "similarity_matrix"), _faces)
