"""A closer look at a picture, at the size at which a model sees it, and the rules that need one.

It costs a colour decode, so it is taken only where a recipe names one of these rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter1d

from haiga.errors import PictureError
from haiga.models.pictures import look_closely

MEASURE: Final = "close/1"
"""Name and version of the measurement: a change of `measure` must change it."""

SIDE: Final = 384
"""The longer side at which a picture is looked at, in pixels: what towers see, and no camera's."""
_SPAN: Final = 9
"""Pixels of the filter that a picture is blurred with for comparison (Crete et al. 2007)."""
_STEP: Final = 2
"""Grey levels, of 255, by which neighbours may differ and be flat: JPEG's noise is above it."""
_COVERED: Final = 0.95
_BANNERS: Final = frozenset((
    (468, 60), (728, 90), (970, 90), (970, 250), (234, 60), (320, 50), (320, 100), (300, 50),
    (120, 600), (160, 600), (300, 600), (300, 1050), (120, 240), (88, 31), (120, 60), (120, 90),
    (300, 250), (336, 280), (180, 150),
))  # fmt: skip
"""Width and height of advertisements by the standards of the Interactive Advertising Bureau."""


def measure(data: bytes) -> dict[str, Any]:
    """What a picture's file is and how it looks from near.

    Returns:
        format, mode: Pillow's names of what the file is.
        animated: whether it has further frames, in time.
        clear: the share of its pixels that are transparent.
        blur: 0 (sharp) to 1, see `blur_of`.
        colours: how many of 4,096 colours cover 95 % of it.
        flat: the share of its pixels that are as their right and lower neighbours are.

        A picture that cannot be read has `error`, a sentence, and nothing else.
    """
    try:
        look = look_closely(data, SIDE)
    except PictureError as error:
        return {"error": str(error)}
    image = look.image
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    grey = np.asarray(image.convert("L"), dtype=np.float32)
    return {
        "format": look.format,
        "mode": look.mode,
        "animated": look.animated,
        "clear": round(look.clear, 4),
        "blur": round(blur_of(grey), 4),
        "colours": _colours(np.asarray(image)),
        "flat": round(_flat(grey), 4),
    }


def blur_of(grey: NDArray[np.float32]) -> float:
    """How little a picture loses by being blurred, 0 (sharp) to 1; 1 where nothing varies.

    Crete, Dolmiere, Ladret, Nicolas (2007), "The blur effect: perception and estimation with a new
    no-reference perceptual blur metric". Of each direction the share of the differences between
    neighbours that remain after a filter of 9 pixels; the worse of the two directions counts.

    Args:
        grey: (height, width).
    """
    return max(_kept(grey, axis) for axis in (0, 1))


def _kept(grey: NDArray[np.float32], axis: int) -> float:
    blurred = uniform_filter1d(grey, _SPAN, axis=axis, mode="nearest")
    sharp, soft = (np.abs(np.diff(each, axis=axis)) for each in (grey, blurred))
    total = float(sharp.sum(dtype=np.float64))
    lost = float(np.maximum(sharp - soft, 0).sum(dtype=np.float64))
    return (total - lost) / total if total else 1.0


def _colours(pixels: NDArray[np.uint8]) -> int:
    """The smallest number of colours, 16 levels a channel, that together cover 95 %."""
    red, green, blue = (pixels[:, :, at].astype(np.int32) >> 4 for at in range(3))
    counts = np.sort(np.bincount((red << 8 | green << 4 | blue).ravel(), minlength=4096))[::-1]
    return int(np.searchsorted(np.cumsum(counts), _COVERED * counts.sum())) + 1


def _flat(grey: NDArray[np.float32]) -> float:
    if min(grey.shape) < 2:
        return 1.0
    down = np.abs(np.diff(grey, axis=0))[:, :-1]
    right = np.abs(np.diff(grey, axis=1))[:-1]
    return float((np.maximum(down, right) <= _STEP).mean())


def blur(measured: Mapping[str, Any], *, maximum: float = 0.6) -> str | None:
    """The picture loses something by being blurred: its `blur` is at most `maximum`."""
    return None if measured["blur"] <= maximum else "blurred"


def logo(measured: Mapping[str, Any], *, colours: int = 6, flat: float = 0.85) -> str | None:
    """Not a few colours in even areas: at most `colours` of them, and a share `flat` without any
    change from pixel to pixel."""
    few = measured["colours"] <= colours
    return "looks like a logo" if few and measured["flat"] >= flat else None


def icon(measured: Mapping[str, Any], *, side: int = 64, clear: float = 0.1) -> str | None:
    """Not an icon: nearly square, and not longer than `side` pixels or with a share `clear` of it
    transparent."""
    short, long = sorted((measured["width"], measured["height"]))
    small = long <= side or measured["clear"] >= clear
    return "looks like an icon" if small and long <= 1.1 * short else None


def spacer(measured: Mapping[str, Any], *, side: int = 8, clear: float = 0.99) -> str | None:
    """Not a spacer or a rule of a page: a side of at most `side` pixels, or all transparent."""
    thin = min(measured["width"], measured["height"]) <= side
    return "a spacer" if thin or measured["clear"] >= clear else None


def banner(measured: Mapping[str, Any], *, aspect: float = 4.0, height: int = 120) -> str | None:
    """Not an advertisement: in none of its standard sizes, and no wide strip of at most `height`
    pixels (`aspect`:1 or more)."""
    size = measured["width"], measured["height"]
    strip = size[0] >= aspect * size[1] and size[1] <= height
    return "the size of a banner" if strip or size in _BANNERS else None


def still(measured: Mapping[str, Any]) -> str | None:
    """Not an animation, of which a model would see the first frame alone."""
    return "animated" if measured["animated"] else None


RULES: dict[str, Callable[..., str | None]] = {
    "blur": blur,
    "logo": logo,
    "icon": icon,
    "spacer": spacer,
    "banner": banner,
    "still": still,
}
