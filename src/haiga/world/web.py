"""What else the web holds beside pictures, and forms of file that are odd and sound.

Each takes a picture's file and gives another, as the faults of `haiga.world.faults` do.
"""

from __future__ import annotations

import io
from random import Random
from typing import Final, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

File: TypeAlias = tuple[bytes, str]
_Colour: TypeAlias = tuple[int, int, int]
_BANNERS: Final = ((468, 60), (728, 90), (970, 250), (320, 50), (160, 600), (300, 600), (300, 250))
_SENTENCES: Final = {
    "en": ("a red fox sleeps in the tall grass", "two men carry a large clock upstairs"),
    "de": ("ein roter Fuchs schläft im hohen Gras", "zwei Männer tragen eine große Uhr"),
    "fr": ("un renard roux dort dans les hautes herbes", "deux hommes portent une grande horloge"),
    "ja": ("赤い狐が壁のそばの草むらで眠っている", "二人の男が大きな時計を運んでいる"),
}


def opened(data: bytes) -> Image.Image:
    """The picture as RGB."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def saved(image: Image.Image, kind: str, suffix: str, **options: object) -> File:
    """The picture as a file of some kind."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue(), suffix


def _colour(rng: Random) -> _Colour:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def _mark(side: int, rng: Random, ground: tuple[int, ...]) -> Image.Image:
    """One to three plain forms on a plain ground, as a brand has them."""
    image = Image.new("RGBA", (side, side), ground)
    pen = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 3)):
        left, top = rng.randrange(side // 2), rng.randrange(side // 2)
        box = (left, top, left + rng.randint(side // 4, side // 2), top + side // 3)
        draw = rng.choice((pen.rectangle, pen.ellipse, pen.rounded_rectangle))
        draw(box, fill=(*_colour(rng), 255))
    return image


def blurred(data: bytes, suffix: str, rng: Random) -> File:
    """Out of focus: a Gaussian of 0.8 to 2 % of the longer side."""
    image = opened(data)
    radius = max(image.size) * rng.uniform(0.008, 0.02)
    return saved(image.filter(ImageFilter.GaussianBlur(radius)), "JPEG", ".jpg", quality=88)


def logo(data: bytes, suffix: str, rng: Random) -> File:
    """A brand's mark with its name, 240 to 500 pixels."""
    side = rng.randint(240, 500)
    image = _mark(side, rng, (*rng.choice(((255, 255, 255), (0, 0, 0), _colour(rng))), 255))
    name = "".join(rng.choice("ABCDEFGHKLMNOPRSTUVZ") for _ in range(rng.randint(3, 7)))
    place = (side // 8, 3 * side // 4)
    ImageDraw.Draw(image).text(place, name, fill=(*_colour(rng), 255), font_size=side // 7)
    if rng.random() < 0.5:
        return saved(image.convert("RGB"), "PNG", ".png")
    return saved(image.convert("RGB"), "JPEG", ".jpg", quality=90)


def icon(data: bytes, suffix: str, rng: Random) -> File:
    """A pictogram: small, or of up to 512 pixels on a transparent ground."""
    side = rng.choice((16, 24, 32, 48, 64, 128, 256, 512))
    return saved(_mark(side, rng, (0, 0, 0, 0)), "PNG", ".png")


def spacer(data: bytes, suffix: str, rng: Random) -> File:
    """What holds a page apart: a thin line, one pixel, or nothing at all."""
    kind = rng.randrange(3)
    if kind == 0:
        return saved(Image.new("P", (1, 1)), "GIF", ".gif", transparency=0)
    if kind == 1:
        size = (rng.randint(200, 900), rng.randint(1, 8))
        return saved(Image.new("RGB", size, _colour(rng)), "PNG", ".png")
    return saved(Image.new("RGBA", (rng.randint(224, 400), rng.randint(224, 400))), "PNG", ".png")


def banner(data: bytes, suffix: str, rng: Random) -> File:
    """An advertisement in a standard size, with the picture in it and an order to buy."""
    size = rng.choice(_BANNERS)
    image = opened(data).resize(size)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, size[1] // 3, size[0] // 2, size[1]), fill=_colour(rng))
    pen.text((4, size[1] // 2), "BUY NOW", fill=(255, 255, 255), font_size=max(10, size[1] // 5))
    return saved(image, "JPEG", ".jpg", quality=85)


def animated(data: bytes, suffix: str, rng: Random) -> File:
    """Two frames of a film: the picture, and its mirror image."""
    image = opened(data)
    image.thumbnail((400, 400))
    films = (image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    first, second = (each.quantize(64, Image.Quantize.FASTOCTREE) for each in films)
    film = {"save_all": True, "append_images": [second], "loop": 0}
    return saved(first, "GIF", ".gif", duration=rng.randrange(100, 900, 10), **film)


def bomb(data: bytes, suffix: str, rng: Random) -> File:
    """A few kilobytes that would fill the memory: over 100 million pixels of one colour."""
    side = rng.randint(10_100, 10_500)
    return saved(Image.new("1", (side, side), rng.randrange(2)), "PNG", ".png")


def cmyk(data: bytes, suffix: str, rng: Random) -> File:
    """Sound: a JPEG for a printing press."""
    return saved(opened(data).convert("CMYK"), "JPEG", ".jpg", quality=rng.randint(85, 95))


def grey16(data: bytes, suffix: str, rng: Random) -> File:
    """Sound: a scanner's TIFF of 16 bits without colour."""
    grey = np.asarray(opened(data).convert("L"), dtype=np.uint16) * 257
    return saved(Image.fromarray(grey ^ rng.randrange(64)), "TIFF", ".tif")


def palette(data: bytes, suffix: str, rng: Random) -> File:
    """Sound: a PNG of 64 to 255 colours."""
    return saved(
        opened(data).quantize(rng.randint(64, 255), Image.Quantize.FASTOCTREE), "PNG", ".png"
    )


def transparent(data: bytes, suffix: str, rng: Random) -> File:
    """Sound: the picture with its corners cut out round."""
    image = opened(data)
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle(
        (0, 0, *image.size), min(image.size) // rng.randint(10, 30), fill=255
    )
    image.putalpha(mask)
    return saved(image, "PNG", ".png")


def path(caption: str, rng: Random) -> str:
    """Where the file lay on somebody's disk."""
    number = rng.randrange(100, 999)
    return rng.choice(
        (f"C:\\Users\\me\\Pictures\\print {number}", f"/home/me/scans/sheet {number}/final",
         f"upload 20240{number % 9 + 1}12_{number}458 from my phone")
    )  # fmt: skip


def repeated(caption: str, rng: Random) -> str:
    """The same words over and over, as for a search engine."""
    return rng.choice((", ".join([caption] * 3), " ".join(["ukiyo-e print sale"] * 5), "-" * 30))


def odd_characters(caption: str, rng: Random) -> str:
    """Bytes read in the wrong encoding, or ornaments in place of words."""
    if rng.random() < 0.5:
        return "Ã©tude d'un pÃªcheur: " + caption
    return "★☆★ >>> !!! ♥♥♥ " + caption[:8] + " ♥♥♥ !!! <<< ★☆★"


def foreign(caption: str, rng: Random) -> str:
    """A caption of another page, in another language."""
    own = "ja" if any("぀" <= char <= "ヿ" for char in caption) else "en"
    return rng.choice([each for code, texts in _SENTENCES.items() if code != own for each in texts])


def short(caption: str, rng: Random) -> str:
    """One or two words, or as many characters."""
    return caption[:3] if " " not in caption else " ".join(caption.split()[: rng.randint(1, 2)])
