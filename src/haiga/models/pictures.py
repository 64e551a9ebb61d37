"""Opening a picture: whatever the file is, upright RGB with 8 bits comes out, or one sentence."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from haiga.errors import PictureError

MAX_PIXELS: Final = 100_000_000
"""Larger pictures are refused from their header, before a byte is decoded."""
MAX_SIDE: Final = 16_384
"""Padding to a square costs the longer side squared, so a long strip is refused too."""

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "MPO", "AVIF", "JPEG2000")
"""The formats that are read. Others (EPS, for one) would start foreign programs."""


def open_picture(source: bytes | Path, *, name: str = "") -> Image.Image:
    """The picture as upright 8-bit RGB, in a mode that every image processor takes.

    EXIF orientation is applied; transparency is laid on white; of an animation the first frame is
    taken; 16 bits are reduced to 8 by dividing by 257; 32-bit and float pictures, which have no
    agreed white, are stretched from their darkest to their lightest value. `name` is what errors
    call the picture; a path is called by itself.

    Raises:
        PictureError: empty, truncated, not a picture, or more than `MAX_PIXELS` or `MAX_SIDE`.
    """
    called = name or (str(source) if isinstance(source, Path) else "The picture")
    data = _bytes(source, called)
    with warnings.catch_warnings():
        # Pillow warns about odd metadata and large sizes; we either use the picture or refuse it.
        warnings.simplefilter("ignore")
        picture = _header(data, called)
        try:
            picture.load()
            return _plain(_upright(picture))
        except Exception as error:  # Pillow's readers raise nearly anything on broken bytes
            raise PictureError(
                f"{called} is damaged: its {picture.format} data cannot be decoded "
                f"({error or type(error).__name__}). Replace the file or leave it out."
            ) from error


def _bytes(source: bytes | Path, called: str) -> bytes:
    if isinstance(source, bytes):
        data = source
    else:
        try:
            data = source.read_bytes()
        except OSError as error:
            raise PictureError(f"{called} cannot be read: {error.strerror or error}.") from error
    if not data:
        raise PictureError(f"{called} is empty (0 bytes). Fetch it again or leave it out.")
    return data


def _header(data: bytes, called: str) -> Image.Image:
    """The picture opened, not decoded, and within the limits."""
    try:
        picture = Image.open(BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        why = str(error).rstrip(".")
        raise PictureError(
            f"{called} is too large to open: {why}. At most {MAX_PIXELS:,} pixels are read; "
            "make it smaller."
        ) from error
    except Exception as error:  # as above
        raise PictureError(
            f"{called} is not a picture that can be read: it begins with {data[:12]!r}. "
            f"The formats read are {', '.join(FORMATS)}."
        ) from error
    width, height = picture.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise PictureError(
            f"{called} is too large: {width:,} x {height:,} pixels, where at most "
            f"{MAX_PIXELS:,} in all and {MAX_SIDE:,} on a side are read; make it smaller."
        )
    return picture


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # unreadable EXIF says nothing about orientation; the pixels are fine
        return picture


def _plain(picture: Image.Image) -> Image.Image:
    """Any mode to RGB."""
    if picture.mode.startswith("I;16"):
        grey = np.asarray(picture.convert("I"), dtype=np.int64)
        return Image.fromarray(((grey + 128) // 257).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        return Image.fromarray(_stretched(np.asarray(picture, dtype=np.float64))).convert("RGB")
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    plain = picture.convert("RGB")
    plain.info = {}  # comments and profiles stay behind
    return plain


def _stretched(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    low, high = values.min(), values.max()
    return np.round((values - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
