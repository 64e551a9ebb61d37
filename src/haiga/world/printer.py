"""The print shop: a scene becomes a flat-colour woodblock print.

Everything in the scene can be seen; what the seed decides (format, composition, tilt, tint, grain)
says nothing about the scene.
"""

from __future__ import annotations

import io
from math import cos, radians, sin
from random import Random

import numpy as np
import simplejpeg
from PIL import Image, ImageDraw, ImageFilter

from haiga.world.colours import PAPER, Palette, lit, mix, palette, tinted
from haiga.world.layout import Place, paper, places
from haiga.world.motifs import INKS, MOTIFS
from haiga.world.motifs.pen import Pen
from haiga.world.paper import bokashi, grained, seal
from haiga.world.scenes import Scene
from haiga.world.settings import SETTINGS, Sheet
from haiga.world.weather import SEASONS, WEATHERS


def draw(scene: Scene, seed: int) -> Image.Image:
    """The print of `scene` pulled with `seed`: RGB, sides from 300 to 900 pixels; always the same."""
    rng = Random(f"{scene.id}/{seed}/print")
    kind, width, height = paper(rng)
    margin = round(min(width, height) * rng.uniform(0.025, 0.05)) if rng.random() < 0.5 else 0
    inner = (width - 2 * margin, height - 2 * margin)
    colours = palette(scene, rng)
    spots = places(scene.things, kind, inner, rng)
    image = _background(scene, colours, inner, rng)
    for spot in spots:
        _stamp(image, scene, spot, rng)
    _sign(image, spots, rng)
    if margin:
        sheet = Image.new("RGB", (width, height), tinted(PAPER, rng, 5))
        sheet.paste(image, (margin, margin))
        frame = (margin - 1, margin - 1, width - margin, height - margin)
        ImageDraw.Draw(sheet).rectangle(frame, outline=colours.key, width=2)
        image = sheet
    return grained(image, rng)


def print_file(scene: Scene, seed: int) -> tuple[bytes, str]:
    """The print as a file's bytes and suffix: mostly JPEG, some PNG, a few PNG with a palette."""
    image = draw(scene, seed)
    rng = Random(f"{scene.id}/{seed}/file")
    kind = rng.random()
    if kind < 0.92:
        quality = rng.randint(80, 92)
        return simplejpeg.encode_jpeg(np.asarray(image), quality, "RGB", "420"), ".jpg"
    if kind > 0.98:
        image = image.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue(), ".png"


def _background(scene: Scene, colours: Palette, size: tuple[int, int], rng: Random) -> Image.Image:
    """Sky, setting, weather and season, without the things."""
    width, height = size
    horizon = round(height * rng.uniform(0.34, 0.44))
    top, middle, low = colours.sky
    ground = colours.ground
    image = bokashi(
        size,
        [(0, top), (horizon * 0.4, middle), (horizon, low), (horizon + 1, mix(ground, low, 0.15)),
         (height * 0.75, ground), (height, mix(ground, colours.key, 0.18))],
    )  # fmt: skip
    sheet = Sheet(
        ImageDraw.Draw(image), scene, colours, rng, width, height, horizon, min(size) / 100
    )
    if scene.hour == "night":
        _stars(sheet)
    SETTINGS[scene.setting](sheet)
    WEATHERS[scene.weather](sheet)
    SEASONS[scene.season](sheet)
    return image


def _stars(sheet: Sheet) -> None:
    for _ in range(40):
        x, y = sheet.rng.random() * sheet.width, sheet.rng.random() * sheet.horizon
        r = sheet.unit * sheet.rng.uniform(0.25, 0.55)
        sheet.draw.ellipse((x - r, y - r, x + r, y + r), fill=(250, 240, 190))


def _stamp(image: Image.Image, scene: Scene, spot: Place, rng: Random) -> None:
    """Draws one thing at twice its size and lays it, smooth-edged and pale-rimmed, on the print."""
    double = 2 * spot.side
    light = (0.88, 0.9, 0.97) if scene.hour == "night" else (1.0, 1.0, 1.0)
    inks = {name: lit(tinted(colour, rng, 9), light) for name, colour in INKS.items()}
    # Transparent, but of the rim's colour, so that smoothing leaves no dark fringe.
    rim = inks["cream"]
    stamp = Image.new("RGBA", (double, double), (*rim, 0))
    turn, flip = radians(spot.tilt), -1 if spot.mirrored else 1
    scale = 0.43 * double * (1 - abs(spot.tilt) / 90)
    a, b, c, d = (
        scale * cos(turn) * flip,
        -scale * sin(turn),
        scale * sin(turn) * flip,
        scale * cos(turn),
    )
    pen = Pen(
        ImageDraw.Draw(stamp),
        (a, b, spot.side, c, d, spot.side),
        inks,
        max(3, round(double * 0.016)),
    )
    MOTIFS[spot.thing].draw(pen)
    small = stamp.reduce(2)
    ink = small.getchannel("A")
    halo = ink.filter(ImageFilter.BoxBlur(max(1.5, spot.side * 0.012))).point(_RIM)
    image.paste(rim, (spot.left, spot.top), halo)
    image.paste(small.convert("RGB"), (spot.left, spot.top), ink)


_RIM = [min(255, level * 5) for level in range(256)]


def _sign(image: Image.Image, spots: list[Place], rng: Random) -> None:
    """Sets the red seal in a corner that no thing uses; a crowded print stays unsigned."""
    side = max(10, round(min(image.size) * rng.uniform(0.04, 0.055)))
    gap, tall = side, side * 3 // 2
    corners = [
        (x, y) for x in (gap, image.width - gap - side) for y in (gap, image.height - gap - tall)
    ]
    rng.shuffle(corners)
    for left, top in corners:
        if all(
            left + side < s.left
            or s.left + s.side < left
            or top + tall < s.top
            or s.top + s.side < top
            for s in spots
        ):
            seal(ImageDraw.Draw(image), left, top, side, rng)
            return
