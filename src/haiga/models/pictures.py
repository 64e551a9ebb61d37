"""Opening a picture: whatever the file is, upright RGB with 8 bits comes out, or one sentence."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, features

from haiga.errors import PictureError
from haiga.store import suffix_of

MAX_PIXELS: Final = 100_000_000
"""Larger pictures are refused from their header, before a byte is decoded."""
MAX_SIDE: Final = 16_384
"""Padding to a square costs the longer side squared, so a long strip is refused too."""

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""The formats that are read, beside HEIF (an MPO is a JPEG until it is opened). Others would start
foreign programs: EPS, for one."""
HEIF, AVIF = "pillow-heif", "a Pillow with AVIF"
READERS: Final[dict[str, Callable[[], bool]]] = {
    HEIF: lambda: find_spec("pillow_heif") is not None,
    AVIF: lambda: bool(features.check("avif")),
}
"""What some pictures need besides -> whether it is here."""
_ANIMATED: Final = ("GIF", "WEBP", "PNG", "AVIF")
"""Formats in which further frames are a film. In others they are pages, or a telephone's extras."""
_CLEAR: Final = 16
"""Alpha, of 255, below which nothing can be seen."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Look:
    """A picture, and what is lost when it becomes plain."""

    image: Image.Image
    """Upright RGB with 8 bits, transparency laid on white."""
    format: str
    """Pillow's name of it: "JPEG"."""
    mode: str
    """Pillow's name of its mode in the file: "CMYK", "P", "I;16"."""
    animated: bool
    clear: float
    """The share of its pixels that cannot be seen."""


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
    return _decoded(_bytes(source, called), called, lambda picture: _plain(_upright(picture)))


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height as they stand in the picture's header; nothing is decoded or turned upright.

    Raises:
        PictureError: empty, not a picture, or too large.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _header(_bytes(data, "The picture"), "The picture").size


def look_closely(data: bytes, side: int) -> Look:
    """The picture's pixels and what `open_picture` takes away: its kind, other frames, holes.

    A JPEG may be decoded at less than its size, its sides not below `side` or their own length.

    Raises:
        PictureError: as `open_picture` does.
    """

    def read(picture: Image.Image) -> Look:
        clear = 0.0
        if picture.has_transparency_data:
            alpha = np.asarray(picture.convert("RGBA"))[:, :, 3]
            clear = float((alpha < _CLEAR).mean())
        animated = picture.format in _ANIMATED and bool(getattr(picture, "is_animated", False))
        kind = (picture.format or "", picture.mode)
        return Look(_plain(_upright(picture)), *kind, animated, clear)

    return _decoded(data, "The picture", read, side)


def _decoded(
    data: bytes, called: str, read: Callable[[Image.Image], T], side: int | None = None
) -> T:
    """What `read` makes of a picture, decoded; a JPEG perhaps at less than its size."""
    with warnings.catch_warnings():
        # Pillow warns about odd metadata and large sizes; we either use the picture or refuse it.
        warnings.simplefilter("ignore")
        picture = _header(data, called)
        try:
            if side is not None:
                picture.draft(None, (side, side))
            picture.load()
            return read(picture)
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
    formats = (*FORMATS, *_plugin(data, called))
    try:
        picture = Image.open(BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        why = str(error).rstrip(".")
        raise PictureError(
            f"{called} is too large to open: {why}. At most {MAX_PIXELS:,} pixels are read; "
            "make it smaller."
        ) from error
    except Exception as error:  # as above
        if kind := suffix_of(data):
            raise PictureError(
                f"{called} is damaged: it begins as {kind} files do, and its header cannot be "
                "read. Replace the file or leave it out."
            ) from error
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


def _plugin(data: bytes, called: str) -> tuple[str, ...]:
    """The format that a telephone's picture asks of Pillow besides its own, made ready."""
    suffix = suffix_of(data)
    if suffix == ".avif" and not features.check("avif"):
        raise PictureError(
            f"{called} is an AVIF picture, and this Pillow was built without AVIF: "
            "pip install --upgrade pillow.",
            needs=AVIF,
        )
    if suffix != ".heic":
        return ()
    try:
        import pillow_heif
    except ImportError as error:
        raise PictureError(
            f"{called} is a HEIC picture, and pillow-heif, which reads it, is missing: "
            "pip install 'haiga[heic]'.",
            needs=HEIF,
        ) from error
    pillow_heif.register_heif_opener()
    return ("HEIF",)


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
