"""A finer look than the perceptual hash, where 64 bits of coarse light and dark are too few.

Pages of text, plots and drawings are much the same to phash64. A recipe that has `curate.fine` asks
these 256 bits as well before one picture is another's copy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from haiga.curation import pictures
from haiga.curation.close import unmeasured
from haiga.errors import PictureError

MEASURE: Final = "fine/1"
"""Name and version of the measurement: a change of `measure` must change it."""

RULES: Final[dict[str, Callable[..., str | None]]] = {}
"""None: what it measures is read where duplicates are looked for."""


def measure(data: bytes) -> dict[str, Any]:
    """`fine`: the hash of one picture, 64 hex digits.

    A picture that cannot be read has what `close.unmeasured` says.
    """
    try:
        grey, _, _ = pictures.small_grey(data)
    except PictureError as error:
        return unmeasured(error)
    return {"fine": fine_hash(grey)}


def fine_hash(grey: NDArray[np.uint8]) -> str:
    """64x64 Lanczos, DCT-II, the 16x16 low corner, each bit above its median; upright pictures."""
    small = Image.fromarray(grey).resize((64, 64), Image.Resampling.LANCZOS)
    low = dctn(np.asarray(small, dtype=np.float64), type=2)[:16, :16].ravel()
    return np.packbits(low > np.median(low)).tobytes().hex()
