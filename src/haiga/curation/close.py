"""A closer look at a picture, at the size at which a model sees it, and the rules that need one.

It costs a colour decode, so it is taken only where a recipe names one of these rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import label

from haiga.errors import PictureError
from haiga.models.pictures import look_closely

MEASURE: Final = "close/2"
"""Name and version of the measurement: a change of `measure` must change it."""

SIDE: Final = 384
"""The longer side at which a picture is looked at, in pixels: what towers see, and no camera's."""
_WAYS: Final = (
    (0, 1, 9), (1, 0, 9), (1, 1, 7), (1, -1, 7), (1, 2, 5), (2, 1, 5), (1, -2, 5), (2, -1, 5),
)  # fmt: skip
"""Down, right, and steps of the filter that a picture is blurred with for comparison: eight
directions, as a shake has one, and about ten pixels in each (Crete et al. 2007 have two, of 9)."""
_MARGIN: Final = 9
_STEP: Final = 2
"""Grey levels, of 255, by which neighbours may differ and be flat: JPEG's noise is above it."""
_EDGE: Final = 24
"""Grey levels by which neighbours differ at the edge of a mark."""
_MARK: Final = 8
"""Pixels of edge that a mark has at least; less is noise."""
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
        marks: how many pieces its edges fall into: a logo has few, a plot or a page many.
        flat: the share of its pixels that are as their right and lower neighbours are.

        A picture that cannot be read has what `unmeasured` says.
    """
    try:
        look = look_closely(data, SIDE)
    except PictureError as error:
        return unmeasured(error)
    image = look.image
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    grey = np.asarray(image.convert("L"), dtype=np.float32)
    return {
        "format": look.format,
        "mode": look.mode,
        "animated": look.animated,
        "clear": round(look.clear, 4),
        "blur": round(blur_of(grey), 4),
        "marks": _marks(grey),
        "flat": round(_flat(grey), 4),
    }


def unmeasured(error: PictureError) -> dict[str, Any]:
    """What stands in the place of measurements: `error`, a sentence, and as `needs` what would read
    the picture, where that is known and not installed."""
    return {"error": str(error), **({"needs": error.needs} if error.needs else {})}


def blur_of(grey: NDArray[np.float32]) -> float:
    """How little a picture loses by being blurred, 0 (sharp) to 1; 1 where nothing varies.

    Crete, Dolmiere, Ladret, Nicolas (2007), "The blur effect: perception and estimation with a new
    no-reference perceptual blur metric". Of each direction the share of the differences between
    neighbours that remain after a mean along it; the worst of the directions counts.

    Args:
        grey: (height, width).
    """
    height, width = grey.shape
    wider = np.pad(grey, _MARGIN, mode="edge")
    ways = [way for way in _WAYS if way[0] < height and abs(way[1]) < width]
    return max((_kept(wider, *way) for way in ways), default=1.0)


def _kept(wider: NDArray[np.float32], down: int, right: int, steps: int) -> float:
    """The share that remains in one direction; `wider` has a margin of 9 pixels around it."""
    height, width = (side - 2 * _MARGIN for side in wider.shape)
    tall, broad = height - down, width - abs(right)

    def at(step: int) -> NDArray[np.float32]:
        top = _MARGIN + step * down
        left = _MARGIN + step * right + max(0, -right)
        return wider[top : top + tall, left : left + broad]

    half = steps // 2
    sharp = np.abs(at(1) - at(0))
    # Two means, one step apart, share all their pixels but the last of the one and the first of the
    # other.
    soft = np.abs(at(half + 1) - at(-half)) / steps
    total = float(sharp.sum(dtype=np.float64))
    lost = float(np.maximum(sharp - soft, 0).sum(dtype=np.float64))
    return (total - lost) / total if total else 1.0


def _marks(grey: NDArray[np.float32]) -> int:
    """The connected pieces of edge of at least 8 pixels: of pixels that differ from the next, to
    the right or below, by 24 grey levels."""
    right = np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    down = np.abs(np.diff(grey, axis=0, append=grey[-1:]))
    pieces, _ = label(np.maximum(right, down) >= _EDGE, structure=np.ones((3, 3)))
    return int((np.bincount(pieces.ravel())[1:] >= _MARK).sum())


def _flat(grey: NDArray[np.float32]) -> float:
    if min(grey.shape) < 2:
        return 1.0
    down = np.abs(np.diff(grey, axis=0))[:, :-1]
    right = np.abs(np.diff(grey, axis=1))[:-1]
    return float((np.maximum(down, right) <= _STEP).mean())


def blur(measured: Mapping[str, Any], *, maximum: float = 0.57) -> str | None:
    """The picture loses something by being blurred: its `blur` is at most `maximum`."""
    return None if measured["blur"] <= maximum else "blurred"


def logo(measured: Mapping[str, Any], *, marks: int = 12, flat: float = 0.85) -> str | None:
    """Not a few marks on even ground: at most `marks` of them, one at least, and a share `flat`
    without any change from pixel to pixel."""
    few = 1 <= measured["marks"] <= marks
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
