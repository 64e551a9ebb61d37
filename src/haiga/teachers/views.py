"""A picture as a provider sees it: from the original, upright, no larger than asked, as JPEG."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Final

from PIL import Image

from haiga.errors import PictureError, TeacherError
from haiga.models.pictures import open_picture, size_of

MEDIA_TYPE: Final = "image/jpeg"
QUALITY: Final = 92


def view(data: bytes, side: int) -> str:
    """A picture as base64 of a JPEG file whose longer side is at most `side` pixels.

    Made from the original file, never enlarged, and without what else the file said (EXIF, place).

    Raises:
        TeacherError: it cannot be read; a question is not sent without its picture.
    """
    try:
        return base64.b64encode(jpeg(data, side)).decode("ascii")
    except PictureError as error:
        raise TeacherError(f"A picture cannot be shown to the teacher. {error}") from error


def jpeg(data: bytes, side: int) -> bytes:
    """The same as the bytes of the file.

    Raises:
        PictureError: it cannot be read.
    """
    picture = open_picture(data)
    size = fitted(picture.size, side)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()


def fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Width and height in pixels, with the longer one at most `side`."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def sizes(pictures: tuple[bytes, ...], side: int) -> list[tuple[int, int]]:
    """The size in which each picture will be shown, from its header alone.

    It may be lying on its side there; what providers count is the same either way.

    Raises:
        TeacherError: one is not a picture.
    """
    try:
        return [fitted(size_of(data), side) for data in pictures]
    except PictureError as error:
        raise TeacherError(f"A picture cannot be shown to the teacher. {error}") from error
