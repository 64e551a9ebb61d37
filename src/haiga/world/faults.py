"""A known share of bad pictures and texts, so that curation can be measured against the truth.

A fault hits an item by the seed and the item's index alone: `ledger` can list the truth without
drawing anything, and a larger share spoils the same items and more.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, TypeAlias

from PIL import Image

from haiga.errors import DataError
from haiga.world import web

File: TypeAlias = tuple[bytes, str]
"""The bytes of a picture file and its suffix."""

_ORIENTATION: Final = 0x0112
_STORED: Final = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
"""How upright pixels are turned before they are stored under an EXIF orientation."""


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def _jpeg(image: Image.Image, quality: int, exif: Image.Exif | None = None) -> File:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, **({"exif": exif} if exif else {}))
    return buffer.getvalue(), ".jpg"


def corrupt(data: bytes, suffix: str, rng: Random) -> File:
    """The file cut off, as by a broken download, or its first bytes flipped: nobody can open it."""
    if rng.random() < 0.5:
        return data[: int(len(data) * rng.uniform(0.05, 0.6))], suffix
    return bytes(255 - byte for byte in data[:16]) + data[16:], suffix


def tiny(data: bytes, suffix: str, rng: Random) -> File:
    """A thumbnail: the longer side between 24 and 63 pixels."""
    image = _open(data)
    side = rng.randint(24, 63)
    image.thumbnail((side, side))
    return _jpeg(image, 90)


def extreme_aspect(data: bytes, suffix: str, rng: Random) -> File:
    """A strip along the longer side, 3.2 to 4.5 times as long as wide."""
    image = _open(data)
    thin = int(max(image.size) / rng.uniform(3.2, 4.5))
    start = rng.randint(0, min(image.size) - thin)
    if image.width >= image.height:
        return _jpeg(image.crop((0, start, image.width, start + thin)), 90)
    return _jpeg(image.crop((start, 0, start + thin, image.height)), 90)


def blank(data: bytes, suffix: str, rng: Random) -> File:
    """One flat colour, in the size of the picture."""
    colour = (rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255))
    return _jpeg(Image.new("RGB", _open(data).size, colour), 90)


def exif_rotated(data: bytes, suffix: str, rng: Random) -> File:
    """Benign: the pixels stored turned, with the EXIF orientation that shows them upright."""
    orientation = rng.choice(sorted(_STORED))
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return _jpeg(_open(data).transpose(_STORED[orientation]), 95, exif)


def near_duplicate(data: bytes, suffix: str, rng: Random) -> File:
    """Benign: the picture made slightly smaller and coded again.

    The caller adds it beside the original; of the two, curation ought to keep one.
    """
    image = _open(data)
    scale = rng.uniform(0.88, 0.97)
    smaller = image.resize((round(image.width * scale), round(image.height * scale)))
    return _jpeg(smaller, rng.randint(70, 82))


def junk_caption(caption: str, rng: Random) -> str:
    """What the web writes beside a picture: an address, a camera's file name, an order to click."""
    number = rng.randint(1, 9999)
    return rng.choice(
        (
            f"https://www.example.com/prints/{number}.html",
            f"IMG_{number:04d}.JPG",
            f"DSC{number:05d}.jpg",
            "Click here to see more!!!",
            f"BUY NOW - free shipping on order #{number} - click here",
        )
    )


FAULTS: Final[Mapping[str, Callable[[bytes, str, Random], File]]] = {
    "corrupt": corrupt,
    "tiny": tiny,
    "extreme_aspect": extreme_aspect,
    "blank": blank,
    "exif_rotated": exif_rotated,
    "near_duplicate": near_duplicate,
    "blurred": web.blurred,
    "logo": web.logo,
    "icon": web.icon,
    "spacer": web.spacer,
    "banner": web.banner,
    "animated": web.animated,
    "bomb": web.bomb,
    "cmyk": web.cmyk,
    "grey16": web.grey16,
    "palette": web.palette,
    "transparent": web.transparent,
}
"""Faults of pictures."""

BENIGN: Final = frozenset(
    {"exif_rotated", "near_duplicate", "cmyk", "grey16", "palette", "transparent"}
)
"""Pictures that a person would still use."""

TEXT_FAULTS: Final[Mapping[str, Callable[[str, Random], str]]] = {
    "junk_caption": junk_caption,
    "path": web.path,
    "repeated": web.repeated,
    "odd_characters": web.odd_characters,
    "foreign": web.foreign,
    "short": web.short,
}
"""Faults of a caption that need nothing but the caption."""

WRONG_CAPTION: Final = "wrong_caption"
"""The caption of another scene; only the caller, who has other scenes, can give it."""

EVERY: Final = (*FAULTS, *TEXT_FAULTS, WRONG_CAPTION)
"""Every fault that there is."""

KINDS: Final = (
    "corrupt", "tiny", "extreme_aspect", "blank", "exif_rotated", "near_duplicate", "junk_caption",
    WRONG_CAPTION,
)  # fmt: skip
"""Those that `choose` names where nobody asks for others. A world of a seed stays as it is: this
does not grow with the table."""


def choose(seed: int, index: int, share: float, kinds: Sequence[str] = KINDS) -> str | None:
    """The fault that hits item `index`, or None; `share` of all items are hit, all equally often.

    Raises:
        DataError: the share is not between 0 and 1, or there is no such fault.
    """
    if not 0 <= share <= 1:
        raise DataError(f"A share of faults of {share} was asked for; give one between 0 and 1.")
    for kind in kinds:
        _require(kind)
    rng = Random(f"{seed}/{index}/fault")
    hit = rng.random() < share
    return rng.choice(kinds) if hit else None


def _require(name: str) -> None:
    if name not in EVERY:
        raise DataError(f"There is no fault {name!r}; the faults are: {', '.join(EVERY)}.")


def spoil(name: str, data: bytes, suffix: str, seed: int, index: int) -> File:
    """The picture file with the fault `name`; a fault of text leaves the picture as it is.

    Raises:
        DataError: there is no such fault.
    """
    _require(name)
    rng = Random(f"{seed}/{index}/spoil")
    return FAULTS[name](data, suffix, rng) if name in FAULTS else (data, suffix)


def ledger(seed: int, count: int, share: float) -> dict[int, str]:
    """The truth about the first `count` items: the index and fault of each that is hit."""
    faults = ((index, choose(seed, index, share)) for index in range(count))
    return {index: fault for index, fault in faults if fault}
