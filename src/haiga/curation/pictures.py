"""Rules for pictures: measured once, decided at once.

`measure` is slow and kept; a rule reads measurements and gives a reason or None. A module with a
`MEASURE`, a `measure` and its `RULES` is a *look* at a picture. This one is taken at every picture,
`close` where a recipe names one of its rules.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from haiga.curation import close
from haiga.errors import PictureError
from haiga.models.pictures import MAX_PIXELS, MAX_SIDE, open_picture
from haiga.records import MAX_PICTURES

Rule: TypeAlias = Callable[[Mapping[str, Any]], str | None]

MEASURE = "pictures/2"
"""Name and version of the measurement: a change of `measure` must change it."""

UNREADABLE = "unreadable"
"""Why a row leaves of which a picture cannot be measured."""

_SMALL = 64
"""Twice the side that is hashed: of smaller ones, a resized copy lies up to 10 bits away."""
_EXIF_ORIENTATION = 0x0112
_UPRIGHT: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: a.T[:, ::-1],
    7: lambda a: a.T[::-1, ::-1],
    8: lambda a: a.T[::-1],
}


def measure(data: bytes) -> dict[str, Any]:
    """Width, height (upright), brightness, contrast, and the perceptual hash of one picture.

    A picture that cannot be read has what `close.unmeasured` says.
    """
    try:
        grey, width, height = small_grey(data)
    except PictureError as error:
        return close.unmeasured(error)
    return {
        "width": width,
        "height": height,
        "brightness": round(float(grey.mean()) / 255, 4),
        "contrast": round(float(grey.std()) / 255, 4),
        "phash": f"{phash(grey):016x}",
    }


def phash(grey: NDArray[np.uint8]) -> int:
    """phash64/1: 32x32 Lanczos, DCT-II, the 8x8 low corner, each bit above its median.

    The picture must be upright: a hash does not survive a turn (Hamming 26 to 38 of 64).
    """
    small = Image.fromarray(grey).resize((32, 32), Image.Resampling.LANCZOS)
    low = dctn(np.asarray(small, dtype=np.float64), type=2)[:8, :8].ravel()
    bits = low > np.median(low)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def small_grey(data: bytes) -> tuple[NDArray[np.uint8], int, int]:
    """A small upright grey image and the full upright size."""
    if data[:2] == b"\xff\xd8":
        # Whatever is odd about it: the reader below knows more kinds, and has the sentences.
        with suppress(Exception):
            return _small_jpeg(data)
    picture = open_picture(data)
    width, height = picture.size
    picture.thumbnail((128, 128), Image.Resampling.BOX)
    return np.asarray(picture.convert("L")), width, height


def _small_jpeg(data: bytes) -> tuple[NDArray[np.uint8], int, int]:
    """Decode at down to 1/8 of the size in the DCT domain: up to eight times faster."""
    with Image.open(BytesIO(data)) as header:
        width, height = header.size
        orientation = header.getexif().get(_EXIF_ORIENTATION, 1)
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ValueError("what training would refuse must not pass here")
    grey = simplejpeg.decode_jpeg(data, colorspace="GRAY", min_height=_SMALL, min_width=_SMALL)[
        :, :, 0
    ]
    if orientation in _UPRIGHT:
        grey = np.ascontiguousarray(_UPRIGHT[orientation](grey))
        if orientation >= 5:
            width, height = height, width
    return grey, width, height


def side(measured: Mapping[str, Any], *, minimum: int = 224) -> str | None:
    """The shorter side has at least `minimum` pixels."""
    short = min(measured["width"], measured["height"])
    return None if short >= minimum else f"shorter side under {minimum} px"


def aspect(measured: Mapping[str, Any], *, maximum: float = 3.0) -> str | None:
    """The longer side is at most `maximum` times the shorter."""
    width, height = measured["width"], measured["height"]
    return (
        None if max(width, height) <= maximum * min(width, height) else f"aspect over {maximum}:1"
    )


def blank(measured: Mapping[str, Any], *, contrast: float = 0.02) -> str | None:
    """The brightness varies by at least `contrast` (a standard deviation, of 1)."""
    return None if measured["contrast"] >= contrast else "blank"


RULES: dict[str, Callable[..., str | None]] = {
    "side": side,
    "aspect": aspect,
    "blank": blank,
    **close.RULES,
}


def looks(names: Collection[str]) -> tuple[ModuleType, ...]:
    """The looks that the rules of these names need, this one first."""
    return sys.modules[__name__], *(look for look in (close,) if look.RULES.keys() & set(names))


def lacking(needs: str) -> str:
    """Why a row leaves of which a picture would be read by what is not installed here."""
    return f"{UNREADABLE} here: needs {needs}"


def fault(pictures: Sequence[Mapping[str, Any]], rules: Sequence[Rule]) -> str | None:
    """Why a row must go: too many pictures, or the first fault among their measurements."""
    if len(pictures) > MAX_PICTURES:
        return f"over {MAX_PICTURES} pictures"
    for values in pictures:
        if "error" in values:
            return lacking(values["needs"]) if "needs" in values else UNREADABLE
        for rule in rules:
            if reason := rule(values):
                return reason
    return None
