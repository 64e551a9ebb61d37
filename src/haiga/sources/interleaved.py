"""Documents of OBELICS and MMC4 taken apart into texts and pictures, and written in either form."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from haiga.sources.documents import mmc4, obelics


@dataclass(frozen=True, slots=True)
class Sheet:
    """A document: its texts in their order, and its pictures in theirs."""

    texts: tuple[str, ...]
    pictures: tuple[str, ...]
    """Their addresses."""
    told: tuple[Mapping[str, Any], ...]
    """What the row says of each picture."""


class Placed(NamedTuple):
    """A picture that was assigned to a text."""

    picture: int
    text: int
    similarity: float


def from_obelics(row: Mapping[str, Any]) -> Sheet:
    """A row of OBELICS; a text is a paragraph, so that a picture can stand between two.

    Raises:
        RowFault: the row has another form.
    """
    obelics(row, 0.0)
    told = json.loads(row.get("metadata") or "[]")
    places = [at for at, image in enumerate(row["images"]) if image is not None]
    known = [told[at] if at < len(told) else None for at in places]
    texts = "\n\n".join(text for text in row["texts"] if text is not None).split("\n\n")
    return Sheet(
        tuple(text for text in texts if text.strip()),
        tuple(str(row["images"][at]) for at in places),
        tuple(each if isinstance(each, dict) else {} for each in known),
    )


def from_mmc4(row: Mapping[str, Any]) -> Sheet:
    """A row of MMC4; a text is a sentence.

    Raises:
        RowFault: the row has another form.
    """
    mmc4(row, 0.0)
    infos = row["image_info"]
    old = ("raw_url", "matched_text_index", "matched_sim")
    told = [{key: value for key, value in info.items() if key not in old} for info in infos]
    return Sheet(
        tuple(str(text) for text in row["text_list"]),
        tuple(str(info["raw_url"]) for info in infos),
        tuple(told),
    )


def as_mmc4(
    sheet: Sheet, placed: Sequence[Placed], similarity: Sequence[Sequence[float]], url: str
) -> dict[str, Any]:
    """A row of MMC4: the pictures that were assigned, and how alike each is to every text."""
    infos = [
        {
            "image_name": _name(sheet.pictures[each.picture]),
            **sheet.told[each.picture],
            "raw_url": sheet.pictures[each.picture],
            "matched_text_index": each.text,
            "matched_sim": each.similarity,
        }
        for each in placed
    ]
    return {
        "url": url,
        "text_list": list(sheet.texts),
        "image_info": infos,
        "similarity_matrix": [list(similarity[each.picture]) for each in placed],
    }


def as_obelics(
    sheet: Sheet, placed: Sequence[Placed], similarity: Sequence[Sequence[float]], url: str
) -> dict[str, Any]:
    """A row of OBELICS: each text behind the pictures that were assigned to it."""
    images: list[str | None] = []
    texts: list[str | None] = []
    told: list[dict[str, Any] | None] = []
    for at, text in enumerate(sheet.texts):
        for each in (each for each in placed if each.text == at):
            images.append(sheet.pictures[each.picture])
            texts.append(None)
            told.append({**sheet.told[each.picture], "matched_sim": each.similarity})
        images.append(None)
        texts.append(text)
        told.append(None)
    return {
        "images": images,
        "texts": texts,
        "metadata": json.dumps(told, ensure_ascii=False),
        "general_metadata": json.dumps({"url": url}, ensure_ascii=False),
    }


def _name(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).name


def url_of(row: Mapping[str, Any]) -> str:
    """The page that a document was, where the row says so."""
    if isinstance(row.get("url"), str):
        return str(row["url"])
    try:
        told = json.loads(row.get("general_metadata") or "{}")
    except ValueError:
        return ""
    return str(told.get("url") or "") if isinstance(told, dict) else ""


class Written(NamedTuple):
    """One form of documents: how a row is taken apart, and how one is made."""

    read: Callable[[Mapping[str, Any]], Sheet]
    make: Callable[[Sheet, Sequence[Placed], Sequence[Sequence[float]], str], dict[str, Any]]


FORMS: Final[dict[str, Written]] = {
    "obelics": Written(from_obelics, as_obelics),
    "mmc4": Written(from_mmc4, as_mmc4),
}
