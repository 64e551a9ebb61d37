"""Rows of a picture and a caption, as sets of pictures are published in Parquet or on the hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from haiga.sources.conversations import RowFault, Shape, Talk, pictures_of

_CAPTIONS: Final = ("caption", "text", "description")


def captioned(row: Mapping[str, Any]) -> Talk:
    """`image` (or `images`) and its words: `caption`, else `text` or `description`.

    A picture is bytes, a path, or the struct of both that `datasets` writes, with or without its
    marks in the file's metadata. https://huggingface.co/docs/datasets/image_dataset
    """
    shown = pictures_of(row)
    if not shown:
        raise RowFault("no picture")
    words = next((row[key] for key in _CAPTIONS if isinstance(row.get(key), str)), "")
    return Talk((), (), shown, words)


CAPTIONED: Final = Shape(captioned, ("image", "images", *_CAPTIONS))
